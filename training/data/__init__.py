"""One file per data set; each yields `sample.Sample`."""
