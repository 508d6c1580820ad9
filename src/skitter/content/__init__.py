"""What bytes say, pure: bytes in, values out."""
