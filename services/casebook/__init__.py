"""casebook: the read side. Folds the log into projections, answers queries, feeds changes."""
