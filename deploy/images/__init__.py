"""What goes into the images, and how they are made where no registry can be reached."""
