"""What `edged calibrate guard` and `edged calibrate camera` measure; knows no terminal."""
