"""Messages that Gemini CLI, Antigravity and their services print, with their error codes."""

from __future__ import annotations

#: The text after "[API Error: ", with the exit code.
GEMINI: list[tuple[str, int, str]] = [
    (
        '{"error": {"code": 429, "message": "Resource exhausted. Please try again later. Please refer to https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 for more details.", "status": "RESOURCE_EXHAUSTED"}}',
        173,
        "quota_exhausted",
    ),
    ("Resource has been exhausted (e.g. check quota).", 1, "quota_exhausted"),
    (
        '{"error": {"code": 429, "message": "You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.\\n* Quota exceeded for metric: generativelanguage.googleapis.com/generate_content_free_tier_requests, limit: 0, model: gemini-2.5-pro\\nPlease retry in 47.400391s.", "status": "RESOURCE_EXHAUSTED", "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "47s"}]}}',
        173,
        "quota_exhausted",
    ),
    ("You exceeded your current quota\nPlease retry in 47.4s.", 173, "quota_exhausted"),
    (
        '{"error": {"code": 429, "message": "Individual quota reached.", "status": "RESOURCE_EXHAUSTED", "details": [{"metadata": {"quotaResetDelay": "71h15m27.791609974s", "quotaResetTimeStamp": "2026-12-02T16:32:54Z"}}]}}',
        173,
        "quota_exhausted",
    ),
    (
        "Your prepayment credits are depleted. Please go to AI Studio at https://ai.studio/projects to manage your project and billing.",
        173,
        "quota_exhausted",
    ),
    (
        "Your project has exceeded its monthly spending cap. Please go to AI Studio at https://ai.studio/spend to manage your project spend cap.",
        173,
        "quota_exhausted",
    ),
    (
        '{"error": {"code": 403, "message": "This API method requires billing to be enabled. Please enable billing on project #1", "status": "PERMISSION_DENIED", "details": [{"reason": "BILLING_DISABLED"}]}}',
        147,
        "quota_exhausted",
    ),
    (
        '{"error": {"code": 403, "message": "Lightning dunning decision is deny for project: 1", "status": "PERMISSION_DENIED"}}',
        147,
        "quota_exhausted",
    ),
    ("You have reached your daily gemini-2.5-pro quota limit.", 1, "quota_exhausted"),
    (
        '{"error": {"code": 429, "message": "Not enough G1 credits", "status": "RESOURCE_EXHAUSTED", "details": [{"reason": "INSUFFICIENT_G1_CREDITS_BALANCE"}]}}',
        173,
        "quota_exhausted",
    ),
    (
        '{"error": {"code": 503, "message": "The model is overloaded. Please try again later.", "status": "UNAVAILABLE"}}',
        247,
        "overloaded",
    ),
    (
        '{"error": {"code": 503, "message": "This model is currently experiencing high demand. Spikes in demand are usually temporary. Please try again later.", "status": "UNAVAILABLE"}}',
        1,
        "overloaded",
    ),
    (
        "This model is currently experiencing high demand. Spikes in demand are usually temporary. Please try again later.",
        1,
        "overloaded",
    ),
    ("No capacity available for model gemini-3-flash-preview on the server", 1, "overloaded"),
    (
        '{"error": {"code": 504, "message": "Deadline expired before operation could complete.", "status": "DEADLINE_EXCEEDED"}}',
        248,
        "overloaded",
    ),
    (
        '{"error": {"code": 400, "message": "API Key not found. Please pass a valid API key.", "status": "INVALID_ARGUMENT"}}',
        144,
        "auth_required",
    ),
    (
        '{"error": {"code": 400, "message": "API key expired. Please renew the API key.", "status": "INVALID_ARGUMENT"}}',
        144,
        "auth_required",
    ),
    (
        '{"error": {"code": 403, "message": "Your API key was reported as leaked. Please use another API key.", "status": "PERMISSION_DENIED"}}',
        147,
        "auth_required",
    ),
    (
        '{"error": {"code": 400, "message": "User location is not supported for the API use.", "status": "FAILED_PRECONDITION"}}',
        144,
        "auth_required",
    ),
    (
        '{"error": {"code": 403, "message": "Permission \'cloudaicompanion.companions.generateChat\' denied on resource \'//cloudaicompanion.googleapis.com/projects/x\'", "status": "PERMISSION_DENIED"}}',
        147,
        "auth_required",
    ),
    (
        '{"error": {"code": 403, "message": "Gemini for Google Cloud API has not been used in project 1 before or it is disabled.", "status": "PERMISSION_DENIED"}}',
        147,
        "auth_required",
    ),
    (
        '{"error": {"code": 403, "message": "You do not have a valid license of this product", "status": "PERMISSION_DENIED"}}',
        147,
        "auth_required",
    ),
    (
        '{"error": {"code": 403, "message": "Verify your account to continue.", "status": "PERMISSION_DENIED", "details": [{"reason": "VALIDATION_REQUIRED"}]}}',
        147,
        "auth_required",
    ),
    ("invalid_grant", 1, "auth_required"),
    (
        '{"error": {"code": 401, "message": "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.", "status": "UNAUTHENTICATED"}}',
        145,
        "auth_required",
    ),
    ('{"error": {"code": 404, "message": "Requested entity was not found.", "status": "NOT_FOUND"}}', 1, "bad_model"),
    (
        '{"error": {"code": 404, "message": "This model models/gemini-2.0-flash is no longer available to new users.", "status": "NOT_FOUND"}}',
        148,
        "bad_model",
    ),
    (
        '{"error": {"code": 404, "message": "Publisher Model `projects/x/locations/us/publishers/google/models/y` was not found or your project does not have access to it.", "status": "NOT_FOUND"}}',
        1,
        "bad_model",
    ),
    ("exception TypeError: fetch failed sending request", 1, "unreachable"),
    (
        "request to https://cloudcode-pa.googleapis.com/v1internal:streamGenerateContent?alt=sse failed, reason: getaddrinfo ENOTFOUND cloudcode-pa.googleapis.com",
        1,
        "unreachable",
    ),
    ("request to https://x failed, reason: connect ETIMEDOUT 142.250.1.95:443", 1, "unreachable"),
    ("request to https://x failed, reason: self-signed certificate in certificate chain", 1, "unreachable"),
    ("Client network socket disconnected before secure TLS connection was established", 1, "unreachable"),
    ("Premature close", 1, "overloaded"),
    ("Incomplete JSON segment at the end", 1, "overloaded"),
    ("terminated", 1, "overloaded"),
    (
        '{"error": {"code": 400, "message": "The input token count exceeds the maximum number of tokens allowed (1048576).", "status": "INVALID_ARGUMENT"}}',
        144,
        "input_too_large",
    ),
    (
        '{"error": {"code": 400, "message": "The input token count (1200000) exceeds the maximum number of tokens allowed", "status": "INVALID_ARGUMENT"}}',
        1,
        "input_too_large",
    ),
    (
        '{"error": {"code": 400, "message": "Request payload size exceeds the limit: 20971520 bytes.", "status": "INVALID_ARGUMENT"}}',
        144,
        "input_too_large",
    ),
    (
        '{"error": {"code": 400, "message": "Please ensure that function call turn comes immediately after a user turn or after a function response turn.", "status": "INVALID_ARGUMENT"}}',
        144,
        "session_not_resumable",
    ),
    (
        '{"error": {"code": 400, "message": "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.", "status": "INVALID_ARGUMENT"}}',
        144,
        "session_not_resumable",
    ),
    (
        '{"error": {"code": 400, "message": "Function call is missing a thought_signature in functionCall parts.", "status": "INVALID_ARGUMENT"}}',
        144,
        "session_not_resumable",
    ),
    (
        '{"error": {"code": 400, "message": "* GenerateContentRequest.tools[0].function_declarations[3].name: Invalid function name. connection incomplete timeout", "status": "INVALID_ARGUMENT"}}',
        144,
        "provider_failed",
    ),
    (
        '{"error": {"code": 400, "message": "Request contains an invalid argument.", "status": "INVALID_ARGUMENT"}}',
        144,
        "provider_failed",
    ),
    (
        '{"error": {"code": 500, "message": "An internal error has occurred. Please retry or report", "status": "INTERNAL"}}',
        244,
        "overloaded",
    ),
    (
        'got status: INTERNAL. {"error":{"code":500,"message":"Internal error encountered.","status":"INTERNAL"}}',
        1,
        "overloaded",
    ),
    ('got status: UNAVAILABLE. {"error":{"code":503,"message":"x","status":"UNAVAILABLE"}}', 1, "overloaded"),
    ("The model response was blocked due to safety settings.", 0, "provider_failed"),
    ("Prompt was blocked: PROHIBITED_CONTENT", 0, "provider_failed"),
    ("The response was stopped: RECITATION", 0, "provider_failed"),
    ("Model stream ended with empty response text.", 1, "empty_output"),
    ("An unknown error occurred.", 1, "provider_failed"),
]
#: The error of a result whose status is ERROR.
AGY: list[tuple[str, str]] = [
    ("RESOURCE_EXHAUSTED (code 429): Resource has been exhausted (e.g. check quota).", "quota_exhausted"),
    ("UNAVAILABLE (code 503): No capacity available for model gemini-3.1-pro-high on the server", "overloaded"),
    ("Our servers are experiencing high traffic right now, please try again in a minute.", "overloaded"),
    ("PERMISSION_DENIED (code 403): You do not have a valid license of this product", "auth_required"),
    ("UNAUTHENTICATED (code 401): Request had invalid authentication credentials", "auth_required"),
    ("error getting token source: You are not logged into Antigravity.", "auth_required"),
    (
        'Post "https://daily-cloudcode-pa.googleapis.com/v1internal:streamGenerateContent": dial tcp: lookup daily-cloudcode-pa.googleapis.com: no such host',
        "unreachable",
    ),
    ("dial tcp 1.2.3.4:443: connect: connection refused", "unreachable"),
    ("x509: certificate signed by unknown authority", "unreachable"),
    ("tls: failed to verify certificate: x509: certificate signed by unknown authority", "unreachable"),
    ("read tcp 10.0.0.1:1->2:443: i/o timeout", "unreachable"),
    ("net/http: TLS handshake timeout", "unreachable"),
    ("context deadline exceeded (Client.Timeout exceeded while awaiting headers)", "overloaded"),
    (
        "INVALID_ARGUMENT (code 400): The input token count exceeds the maximum number of tokens allowed (1048576).",
        "input_too_large",
    ),
    ("Agent execution terminated due to error.", "provider_failed"),
    ("Your current account is not eligible for Antigravity", "auth_required"),
    ("FAILED_PRECONDITION (code 400): User location is not supported for the API use.", "auth_required"),
    ("NOT_FOUND (code 404): model gemini-x not found", "bad_model"),
    ("unexpected EOF", "unreachable"),
]
#: Only on standard error, with the exit code.
GEMINI_STDERR: list[tuple[str, int, str]] = [
    (
        "Error authenticating: FetchError: request to https://oauth2.googleapis.com/token failed, reason: getaddrinfo ENOTFOUND oauth2.googleapis.com",
        1,
        "unreachable",
    ),
    (
        "Failed to login. Message: request to https://cloudcode-pa.googleapis.com/v1internal:loadCodeAssist failed, reason: self-signed certificate in certificate chain",
        1,
        "unreachable",
    ),
    (
        "Error authenticating: IneligibleTierError: Your current account is not eligible for Gemini Code Assist for individuals because it is not currently available in your location.",
        1,
        "auth_required",
    ),
    ("Manual authorization is required but the current session is non-interactive.", 41, "auth_required"),
    (
        "Please set an Auth method in your settings.json or specify one of the following environment variables before running: GEMINI_API_KEY",
        41,
        "auth_required",
    ),
    (
        "Failed to login. Message: This account requires setting the GOOGLE_CLOUD_PROJECT or GOOGLE_CLOUD_PROJECT_ID env var.",
        1,
        "auth_required",
    ),
    (
        "Error: Could not load the default credentials. Browse to https://cloud.google.com/docs/authentication",
        1,
        "auth_required",
    ),
    (
        "Attempt 1 failed with status 429. Retrying with backoff... ApiError: quota exceeded\nError when talking to Gemini API Full report available at: /t/x.json TypeError: fetch failed",
        1,
        "unreachable",
    ),
    (
        "Error when talking to Gemini API Full report available at: /t/x.json _ApiError: The caller does not have permission.\n  status: 403\n}",
        147,
        "auth_required",
    ),
    (
        "Error when talking to Gemini API Full report available at: /t/x.json TerminalQuotaError: You have exhausted your daily quota on this model.",
        173,
        "quota_exhausted",
    ),
    ("\x1b[31mInvalid settings in /h/.gemini/settings.json\x1b[0m", 52, "provider_failed"),
    ("Please restart. ENOSPC: no space left on device", 54, "provider_failed"),
]
