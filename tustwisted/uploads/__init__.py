"""The core: create, receive, finish and recover uploads; knows no HTTP and no files."""
