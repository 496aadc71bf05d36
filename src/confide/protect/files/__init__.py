"""Tables in files, protected and revealed column by column: CSV, TSV, Parquet, Arrow, NDJSON."""
