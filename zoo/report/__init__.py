"""What a comparison looks like: the table and the picture of samples."""
