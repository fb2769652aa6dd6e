const ALPHABET = "23456789abcdefghijkmnpqrstuvwxyz";
