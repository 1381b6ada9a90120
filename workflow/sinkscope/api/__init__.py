"""What `import sinkscope` offers: observe a model in place, look at one text."""
