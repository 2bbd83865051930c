"""Who is asked and told of what happens to uploads, and how it reaches him."""
