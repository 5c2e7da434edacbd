"""What is watched: the dashboard as code, and the commands that prove its queries."""
