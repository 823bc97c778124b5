"""Judge and draw the structure of any recurrently applied weight matrix. Knows arrays only; never imports urn."""
