"""Charts as inline SVG: sharp at any size, small, coloured by the page's style sheet, each with a text alternative."""
