"""Shows scans and answers, and takes what doctors decide."""
