"""HTTP: the server, requests as operations, responses in each service's protocol."""
