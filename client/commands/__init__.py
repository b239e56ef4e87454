"""The commands of the console script `dowser`, one file a subject: what each takes, what it calls, what it prints."""
