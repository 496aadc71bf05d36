"""The pages: sign-in, finder, chart, reveal and journal. What is masked is masked here, on the server."""
