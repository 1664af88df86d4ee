"""Neural networks for tabular data: modules, and the one loop that trains them. Importing anything here loads torch."""
