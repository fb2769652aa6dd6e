package main

import (
	"context"
	"encoding/json"
)

// Request is a batch of lengths in pixels.
type Request struct {
	Lengths []int   `json:"lengths"`
	Factor  float64 `json:"factor"`
}

// Response holds them scaled.
type Response struct {
	StatusCode int    `json:"statusCode"`
	Body       string `json:"body"`
}

// Handler scales every length.
func Handler(ctx context.Context, request *Request) (*Response, error) {
	scaled := make([]int, len(request.Lengths))
	for i, length := range request.Lengths {
		scaled[i] = int(float64(length) * request.Factor)
	}
	body, err := json.Marshal(scaled)
	if err != nil {
		return nil, err
	}
	return &Response{StatusCode: 200, Body: string(body)}, nil
}
