"""Any labelled images: in class folders, tables and Parquet files, and the cache of their pixels."""
