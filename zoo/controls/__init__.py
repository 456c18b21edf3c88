"""Control rows: models whose faults are known beforehand, so that a table shows which faults a metric sees.

`memoriser` repeats training images, `mean` repeats one image, `pixels` and `noise` know nothing of how pixels go
together; `ppca` and `mixture` are honest models without a network. They are plugins like anybody's.
"""
