"""What has to be there before the services start; run again it changes nothing."""
