"""What a person sees; one folder per floor, a template is named after the page function that shows it."""
