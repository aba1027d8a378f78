"""The commands of the command line. Each imports Keras only when it needs it, so that the others answer at once."""
