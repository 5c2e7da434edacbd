"""What casebook shows, one file each, with its SQL. Each statement may be delivered twice."""
