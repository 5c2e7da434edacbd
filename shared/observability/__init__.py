"""What a process tells about itself: log lines, traces and metrics. No personal data in any."""
