"""Stores: where the bytes and facts of uploads are kept."""
