"""scikit-learn's generative models for zoo: their fits, scores and samples are scikit-learn's own."""
