"""Pictures for `mien live --frames`: read while somebody looks, and with their faces hidden."""
