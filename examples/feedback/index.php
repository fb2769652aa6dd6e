<?php

// Checks a feedback form.
function handler($event, $context) {
    $form = json_decode($event['body'] ?? '{}', true) ?: [];
    $missing = array_values(array_filter(['name', 'message'], fn($field) => empty($form[$field])));
    return [
        'statusCode' => $missing ? 400 : 200,
        'body' => json_encode(['missing' => $missing], JSON_UNESCAPED_UNICODE),
    ];
}
