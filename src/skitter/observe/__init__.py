"""What people and programs see of a crawl: statistics, progress, logs, the summary."""
