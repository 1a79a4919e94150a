"""The columnar twin: sealed ranges of the log as Parquet, each decoded once for all readings."""
