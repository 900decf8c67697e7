"""`mien bench live`: made-up events of many cameras, `mien live`, and who looks at it."""
