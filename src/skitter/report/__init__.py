"""A job as a page to look at: figures from its database, charts and lists, in one file of HTML."""
