//! The HTTP contract, driven through a small system that has a route for every extractor.
