"""What an experiment, a section of the report and a setting are, and how they are found."""
