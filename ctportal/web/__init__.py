"""The web server's workers: requests are received whole before a thread is taken for them."""
