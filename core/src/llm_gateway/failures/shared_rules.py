"""The rules that all providers share: messages of services and networks, which any program may print.

Services agree neither on the status of a failure nor on its text: used-up credit comes with 400, 402, 403 or 429, a full context
with 400 or 413. So most signs are patterns of text, and a status only limits where a pattern applies. The order matters: special
rules come before general ones, and no pattern overrides a 5xx, which means a fault of the service itself.
"""

from __future__ import annotations

from llm_gateway.failures.rules import FailureRule, Sign

_REFUSED = (None, 400, 402, 403, 429)
_BAD = (None, 400, 404, 413, 422)
_DENIED = (None, 400, 401, 403)

#: Waiting does not help: the account needs more credit or another plan.
_CREDIT = (
    r"credit balance|out of (?:extra )?(?:credits?|usage|tokens)|(?:run|ran) out of credits?|available credits|(?:purchase|buy|add) (?:more )?credits?"
    r"|insufficient[ _](?:credits?|funds|balance|quota)|not enough credits?|credits? (?:(?:are|is|have been|has been) )?(?:exhausted|depleted|used up|limit)|no (?:remaining )?credits?"
    r"|payment[ _](?:is )?required|spend(?:ing)?[ _](?:limit|cap)|budget (?:exceeded|limit|has been)|extra usage"
    r"|billing[ _](?:hard[ _]limit|error|is not|not[ _]active|must be|issue)|requires billing|enable billing|billing to be enabled|overdue"
    r"|(?:need|requires?) (?:a |an )?(?:\w+ ){0,3}(?:subscription|paid plan)|subscription (?:required|has (?:expired|ended)|expired|inactive)"
    r"|not (?:included|available) (?:in|on|with) your (?:current )?plan|please recharge|usage credits? (?:is |are )?required|trial (?:has |period )?(?:expired|ended|is over)|payment method|card (?:was |has been )?(?:declined|expired)|monthly (?:usage )?(?:limit|quota|budget) (?:reached|exceeded)"
)
_LIMIT = (
    r"(?:usage|session|weekly|daily|hourly|monthly|request|token|plan|account|free|5-hour|five-hour|api) (?:usage )?limits?\b"
    r"(?! (?:is|of) \d)|rate[ _-]?limit|limit (?:reached|exceeded|hit)|(?:hit|reached|exceeded) (?:your|the|its|their) (?:\w+ ){0,4}(?:limit|quota)"
    r"|too[ _]many[ _]requests|quota|exhausted your|free usage|included usage|tokens per (?:min|hour|day)|requests per (?:min|hour|day|second)"
    r"|\b(?:TPM|RPM|TPD|RPD)\b|throttl|usagelimit|requests too (?:quickly|fast|often)|(?:allowance|allocation) (?:is |was |has been )?(?:used up|exhausted|exceeded)"
    r"|maximum number of (?:requests|messages|tokens|prompts) (?:per|for)"
)
_CAPACITY = (
    r"not your usage limit|temporarily limiting|no capacity|at (?:full |max(?:imum)? )?capacity|capacity (?:constraint|exceeded|exhausted|available|limit)|model_capacity_exhausted"
    r"|(?:insufficient|out of|lacks?|limited) capacity|overloaded|over capacity|high (?:demand|load|traffic)|heavy (?:load|traffic)"
    r"|(?:server|service|engine|model) (?:is |are )?(?:currently |temporarily )?(?:busy|overloaded|unavailable|down)|slow_down|server_is_overloaded"
)
_SAFETY = (
    r"usage polic(?:y|ies)|acceptable use|content[ _-]?(?:policy|filter|management)|safety (?:polic|filter|system|settings?|reasons?|guidelines)"
    r"|(?:was|been|were) flagged|flagged (?:as|for|by|your)|safeguards|polic(?:y|ies) violation|violat\w{0,5} (?:our|the|of|[\w ]{1,30}(?:polic|guideline))|safety[ _]check"
    r"|cybersecurity risk|cyber_?policy|prohibited[ _]content|blocked (?:by|due to|for|under) [\w' ]{0,40}(?:safety|polic|filter|content)|finish_?reason:? ?\"?SAFETY"
    r"|responsible ai|stop_?reason:? ?\"?refusal|unable to respond to this request|(?:model|assistant) (?:service )?refus|\brecitation\b|disallowed content"
)
_CONTEXT = (
    r"context[ _](?:window|length|limit|size)|conversation context exceeds|prompt is too long|prompt too long|(?:input|prompt|message|conversation|context|transcript)"
    r" (?:is |are |was )?(?:too (?:long|large|big)|exceeds)|maximum (?:context|prompt|input)|too many (?:input |prompt )?tokens|reduce the length"
    r"|(?:token count|number of (?:input )?tokens|input tokens?)[^.\n]{0,60}(?:exceed|greater|more than)|exceeds? (?:the )?(?:model'?s? )?(?:max(?:imum)?|context|token limit)"
    r"|context_?length|context_?window|input_too_large|prompt_too_long|request_?too_?large|request (?:entity |body |size |payload |payload size )?(?:is )?(?:too large|exceeds)|payload too large"
    r"|content too large|ran out of room|does not fit in|tokens? \(\d+\) must be (?:less|at most)|(?:pdf|image|file|attachment|string) (?:is )?too (?:long|large)|exceeded model token limit|model_max_prompt_tokens|string_above_max_length"
)
_MODEL = (
    r"model[ _](?:\S{1,100} )?(?:does not exist|doesn't exist|(?:was |is |could )?not (?:be )?(?:found|supported|available|recogni[sz]ed|allowed|enabled|accessible)"
    r"|is (?:unknown|invalid|deprecated|retired|disabled)|has been (?:deprecated|retired|decommissioned|removed))"
    r"|model_?not_?(?:found|available|supported)|(?:unknown|invalid|unsupported|unrecogni[sz]ed|no such)[ _]model|no access to model|no endpoints? found for|model[^.\n]{0,60}(?:not in the list|restricted by|reached (?:its )?end of life|end-of-life)"
    r"|(?:access to|do not have access to) (?:the |this )?model|models?/\S{1,100} (?:is not found|was not found)|not a (?:valid|known) model"
    r"|selected model|\"message\\?\": ?\\?\"model: |no models? (?:are|is) available|not_found_error[^\n]{0,80}\bmodel\b"
)
_TRANSCRIPT = (
    r"`?(?:redacted_)?thinking`? (?:or `redacted_thinking` )?blocks?[^.\n]{0,120}(?:cannot be modified|must remain|not match)"
    r"|expected `?thinking`? or `?redacted_thinking`?|invalid `?signature`? in `?thinking`?|tool_?(?:use|result)s?`? (?:ids?|blocks?)[^\n]{0,80}"
    r"(?:without|were found|must be unique|must have a corresponding|unexpected)|unexpected `?tool_use_id`?|`?tool_result`? block\(?s?\)? (?:found|that provided|without)"
    r"|tool_calls['\"]? must be followed|no tool (?:output|call) found for|provided without its required|must be followed by tool messages"
    r"|text content blocks must be non-empty|(?:text )?content (?:blocks )?(?:must be non-empty|cannot be empty)|messages?: [^\n]{0,40}must be non-empty|all messages must have non-empty"
    r"|could not process image|image exceeds|image dimensions exceed|roles must alternate|first message must use the|ending? with (?:an )?assistant|trailing whitespace"
    r"|must end with a user message|assistant message prefill|tool use concurrency"
    r"|function (?:response|call) (?:parts|turn)|missing a `?thought_?signature|encrypted[ _]content|number of function calls and responses"
    r"|unexpected role|expected last role|(?:conversation|session|transcript|rollout) (?:file |history )?(?:is |was |appears )?(?:corrupt|damaged|spoil)|corrupt(?:ed)? (?:session|conversation|transcript|rollout|history)"
)
_LOGIN = (
    r"refresh[ _]token|token[ _](?:has[ _]|is[ _]|was[ _])?(?:been[ _])?(?:expired|revoked|invalid|invalidated|already used)|(?:expired|invalid|revoked) (?:\w+ )?(?:token|credentials?|key)"
    r"|could not be refreshed|session (?:has )?expired[^.\n]{0,40}(?:log|sign)|(?:log|sign)(?:ing)? ?(?:in|out) (?:again|and)|please (?:run )?/?(?:log|sign) ?in|re-?authenticate|not (?:logged|signed) in"
    r"|log ?in (?:is )?required|authentication[ _](?:failed|required|error|is required)|failed to authenticate|error authenticating|unauthenticated|not authenticated"
    r"|(?:incorrect|invalid|missing|no|bad|wrong) (?:x-)?api[ _-]?key|api[ _-]?key (?:not (?:valid|found)|is (?:missing|invalid|not)|expired|has (?:expired|been)|was|required)|invalid[ _]api[ _]key"
    r"|(?:organi[sz]ation|account|workspace|user|project|team)\b[^.\n]{0,40}(?:disabled|suspended|deactivated|banned|terminated|not (?:allowed|permitted|authorized)|on hold)"
    r"|(?:does not|doesn't|do not|don't) have (?:access|permission)|no (?:longer )?access|not a member|not (?:allowed|permitted|authorized) to (?:use|access)|permission[ _-]denied"
    r"|ineligible|not eligible|eligib|(?:client|version|app) is (?:no longer|not) supported|unsupported[ _]client|verify your (?:account|age|identity|organi[sz]ation)|must be verified"
    r"|(?:not (?:supported|available)|unsupported|restricted|blocked)[^.\n]{0,30}(?:country|region|location|territory)|(?:country|region|location|territory)[^.\n]{0,30}(?:not (?:supported|available)|unsupported)"
    r"|missing (?:\w+ )?(?:environment variable|credentials?)|no credentials|credentials? (?:not found|are missing|could not|(?:are |is |have |has )?(?:expired|invalid))|could not load (?:the )?(?:default )?credentials|resolve authentication method"
    r"|api_?key_?helper|invalid_(?:grant|rapt|token)\b|no auth (?:type|method) is (?:selected|configured|set)|(?:set|configure|select) an auth (?:type|method)|interactive (?:consent|login|authenti)|authori[sz]ation is required|oauth[^.\n]{0,60}(?:not (?:supported|allowed)|disabled)"
)
#: The service closed the account, or its access. Other words about policies are about one request.
_CLOSED = (
    r"(?:service|account|access|key|project|organi[sz]ation|workspace|user)\b[^.\n]{0,60}\b(?:disabled|suspended|banned|terminated|blocked|restricted|deactivated)\b"
    r"[^.\n]{0,80}(?:violat|terms|polic|abus|fraud)|violat\w{0,5} (?:of )?(?:our |the )?terms"
)
#: The service refuses this build of the program.
_VERSION = (
    r"requires? a newer version|newer version (?:of [\w .-]{1,40} )?(?:\([^)\n]{1,40}\) )?is required|upgrade required|(?:minimum|lowest) (?:supported |required )?version"
    r"|(?:version|client|cli|app)\b[^.\n]{0,60}\b(?:is|are) (?:out ?dated|out of date|too old|obsolete)|version of [\w .()-]{1,60} needs an update"
    r"|(?:update|upgrade) (?:it |\w+ )?to (?:the latest (?:version|app|cli|client|release)|a newer version|version \d|use this model)"
)
#: The tools that the program offers to the model, its own and those of MCP servers.
_TOOLS = (
    r"maximum (?:number of )?tools|tools? limit|too many tools|more than \d+ tools|\btools?['\"]?:? (?:array|list) (?:is )?too long"
    r"|\btools\.\d+\.|\btools\[\d+\]|invalid schema for function|tool names must be unique|function_?declarations\[\d+\]"
)
#: The machine, not the service. Only if no status is known.
_MACHINE = (
    r"\b(?:EACCES|EPERM|EROFS|ENOSPC|EDQUOT|EMFILE|ENFILE|ENOMEM)\b|no space left on device|disk quota exceeded|read-only file system|too many open files"
    r"|(?:heap )?out of memory|cannot allocate memory|permission denied \(os error|permission denied: ['\"]?/|\[errno (?:1|12|13|24|28|30|122)\]"
    r"|resource temporarily unavailable|operation not permitted \(os error|version [`']GLIBC"
)
#: Only if no status is known: a status means that the service was reached.
_NETWORK = (
    r"ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EPIPE|ECONNABORTED|UND_ERR_|ERR_TLS|ERR_SSL|getaddrinfo"
    r"|connection ?(?:was |is |has been )?(?:refused|reset|aborted|closed|dropped|lost|failed|error|broken|interrupted|terminated|timed? ?out)|connect(?:ion)?[ _]time(?:d )?[ _]?out"
    r"|(?:unable|failed|could not|cannot|can't|couldn't) (?:to )?(?:connect|reach|resolve)|connection attempts failed|error trying to connect|tcp connect error|client error \(connect\)"
    r"|dns (?:error|lookup|resolution)|failed to lookup address|name (?:or service not known|resolution)|nodename nor servname|could not resolve|no such host|no address associated"
    r"|no route to host|(?:network|host) is (?:unreachable|down)|network (?:error|failure|connection (?:lost|error))|network (?:is )?unavailable"
    r"|self[- _]signed|certificate (?:has expired|verif|is not|chain|error|unknown|required|detected|problem|validation)|(?:untrusted|invalid|expired|bad|verify) (?:\w+ )?certificate|CERT_[A-Z]|UNABLE_TO_(?:VERIFY|GET)|unable to (?:get|verify)[^.\n]{0,40}certificate|(?:tls|ssl) (?:handshake|error|alert|routines)|ssl:|x509:|i/o timeout|unknown ?issuer|peer ?certificate|handshake (?:failed|failure)"
    r"|error sending request|fetch failed|socket hang up|socket (?:connection )?(?:was )?(?:closed|disconnected)|reqwest error|other side closed|tunneling socket|proxy (?:error|authentication|connect|refused|tunnel|server|response)|(?:via|through|from) (?:the |a )?proxy"
    r"|(?:server|peer|remote)[\w ]{0,20} (?:closed|disconnected)|unexpected eof|connectionrefused|failedtoopensocket"
    r"|EHOSTDOWN|certificate's altnames|(?:you|device|machine)[\w ]{0,20} offline|no internet|malformed response|intercepting the request|unexpected token '?<|is not valid json"
)
#: The login service cannot be reached. The login itself may be valid.
_LOGIN_UNREACHED = (
    r"(?:authenticat|log ?in|sign ?in|token|credential|oauth)[^\n]{0,160}(?:ECONN|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|getaddrinfo"
    r"|self[- _]signed|CERT_[A-Z]|UNABLE_TO_|certificate (?:verif|signed)|dns error|error sending request|connection refused|tunneling socket|no such host|socket hang up)"
)
_SILENCE = r"timed? ?out|time-?out|no (?:chunks|response|data|events?) received|did not (?:answer|respond)|deadline exceeded|stalled"
_BROKEN = r"stream[\w :-]{0,30} (?:disconnected|closed|ended|interrupted|broke|failed|error)|premature close|incomplete (?:chunked|message|envelope)|unexpected end of (?:stream|json)|mid-response|error decoding response body"
_FAULT = r"error occurred while processing|trouble processing your request|upstream[ _](?:connect )?error|down for maintenance|(?:^|\n)(?:(?:api )?error: )*terminated\s*$|internal[ _]server[ _]error|internal error (?:has )?(?:occurred|encountered)|bad gateway|service[ _]unavailable|gateway time-?out|server[ _]error|try again later|temporar(?:y|ily) (?:error|failure|unavailable|problem|issue)"
_CHALLENGE = r"just a moment\.\.\.|attention required!|cf-chl|enable javascript and cookies|captcha"
_PAGE = rf"{_CHALLENGE}|<!doctype html|<html|cloudflare"

_TURNS = r"max(?:imum)?[ _](?:number of )?(?:session[ _])?(?:turns|steps|iterations)|(?:turn|step|iteration)s?[ _]limit"
_LONG_ANSWER = r"output[ _]tokens?[ _](?:maximum|limit)|max_output_tokens|(?:truncated|cut off|stopped) (?:by|at|due to) max_?tokens|response exceeded the"

_PAY = "Add credit to the account, raise its spending limit or change its plan; or use another provider."
_WAIT = "Wait until the limit is reset, or use another provider."

COMMON_FAILURES: tuple[FailureRule, ...] = (
    FailureRule(
        code="provider_failed",
        message="The program could not use its files, memory or processes on this machine.",
        recovery="Read the program's own message: free disk space or memory, raise the limit, or correct the permissions that it "
        "names; then send the request again.",
        retryable=False,
        signs=(Sign(status=(None,), words=_MACHINE),),
    ),
    FailureRule(
        code="unreachable",
        message="A protection page of the network answered in place of the model service.",
        recovery="Try from another network address: without a VPN or a proxy, or through the one that is meant (HTTPS_PROXY, "
        "NO_PROXY and the certificates); then send the request again.",
        signs=(Sign(status=(403,), words=_PAGE), Sign(status=(None,), words=_CHALLENGE)),
    ),
    FailureRule(
        code="provider_failed",
        message="The agent stopped at its limit of turns.",
        recovery="Raise maxTurns, or continue the conversation with sessionId: it is kept.",
        retryable=False,
        signs=(Sign(status=(None,), words=_TURNS), Sign(kinds=("max_turns", "error_max_turns", "turn_limit"))),
    ),
    FailureRule(
        code="provider_failed",
        message="The answer was longer than the model may write at once.",
        recovery="Ask for less at once, or for files instead of one long answer.",
        signs=(Sign(status=(None,), words=_LONG_ANSWER), Sign(kinds=("max_output_tokens", "max_tokens"))),
    ),
    FailureRule(
        code="version_unsupported",
        message="The model service does not accept this version of the program any more.",
        signs=(Sign(status=(None, 400, 403, 404, 410, 426), words=_VERSION), Sign(status=(426,))),
    ),
    FailureRule(
        code="provider_failed",
        message="The model service does not accept the tools that the program offers to the model.",
        recovery="Give the run fewer MCP servers (mcpServers: [] gives none). If that does not help: a proxy in front of the model "
        "service may not know this version of the program.",
        retryable=False,
        signs=(Sign(status=(None, 400, 422), words=_TOOLS),),
    ),
    FailureRule(
        code="session_not_resumable",
        message="The model service does not accept the conversation's history any more: each further turn would fail like this one.",
        recovery="Start a new conversation (createNewSession: true) and repeat what it needs to know.",
        signs=(Sign(status=(None, 400, 422), words=_TRANSCRIPT),),
    ),
    FailureRule(
        code="overloaded",
        message="The model service has no capacity left at the moment.",
        recovery="Try again in a moment, or name another model.",
        signs=(
            Sign(status=(None, 429), words=_CAPACITY),
            Sign(
                kinds=(
                    "overloaded_error",
                    "overloaded",
                    "server_overloaded",
                    "server_is_overloaded",
                    "slow_down",
                    "model_capacity_exhausted",
                )
            ),
        ),
    ),
    FailureRule(
        code="quota_exhausted",
        message="The account's credit or plan does not cover this request.",
        recovery=_PAY,
        retryable=False,
        signs=(
            Sign(status=_REFUSED, words=_CREDIT, waits=False),
            Sign(status=(402,), waits=False),
            Sign(
                kinds=("billing_error", "insufficient_quota", "payment_required", "insufficient_credits"), waits=False
            ),
        ),
    ),
    FailureRule(
        code="auth_required",
        message="The model service closed this account, or its access.",
        recovery="Write to the service's support about the account; or use another account or provider.",
        signs=(
            Sign(status=_DENIED, words=_CLOSED),
            Sign(kinds=("tos_violation", "account_suspended", "account_disabled", "account_deactivated")),
        ),
    ),
    FailureRule(
        code="provider_failed",
        message="The model service stopped this request as unsafe or against its policies.",
        recovery="Word the request differently, or use another model.",
        signs=(
            Sign(status=(None, 400, 403, 422, 451), words=_SAFETY),
            Sign(
                kinds=(
                    "refusal",
                    "content_filter",
                    "cyber_policy",
                    "policy_violation",
                    "content_policy_violation",
                    "safety",
                    "prohibited_content",
                )
            ),
        ),
    ),
    FailureRule(
        code="input_too_large",
        message="The conversation does not fit into the model's context.",
        recovery="Start a new conversation, or name files instead of pasting them.",
        signs=(
            Sign(status=_BAD, words=_CONTEXT),
            Sign(status=(413,)),
            Sign(
                kinds=(
                    "context_length_exceeded",
                    "context_window_exceeded",
                    "request_too_large",
                    "prompt_too_long",
                    "input_too_large",
                )
            ),
        ),
    ),
    FailureRule(
        code="bad_model",
        message="The model does not exist, or this account may not use it.",
        recovery="Leave model out: the program's own default is used.",
        signs=(
            Sign(status=(None, 400, 403, 404, 422), words=_MODEL),
            Sign(kinds=("model_not_found", "model_not_available", "invalid_model")),
        ),
    ),
    FailureRule(
        code="quota_exhausted",
        message="The account's limit is reached.",
        recovery=_WAIT,
        signs=(
            Sign(status=(None, 400, 402, 403), words=_LIMIT),
            Sign(status=(400, 402, 403), words=_CREDIT),
            Sign(status=(None,), words=_CREDIT),
            Sign(status=(429,)),
            Sign(status=(402,)),
            Sign(
                kinds=(
                    "rate_limit",
                    "rate_limit_error",
                    "rate_limit_exceeded",
                    "usage_limit_exceeded",
                    "usage_limit_reached",
                    "quota_exceeded",
                    "too_many_requests",
                )
            ),
        ),
    ),
    FailureRule(
        code="unreachable",
        message="The service that checks the login could not be reached.",
        signs=(Sign(status=(None,), words=_LOGIN_UNREACHED),),
    ),
    FailureRule(
        code="auth_required",
        message="The model service does not accept the login, or the account may not use it.",
        signs=(
            Sign(status=_DENIED, words=_LOGIN),
            Sign(status=(401, 403)),
            Sign(
                kinds=(
                    "authentication_error",
                    "authentication_failed",
                    "permission_error",
                    "permission_denied",
                    "invalid_api_key",
                    "unauthorized",
                    "unauthenticated",
                    "token_expired",
                    "refresh_token_reused",
                )
            ),
        ),
    ),
    FailureRule(
        code="unreachable",
        message="The proxy between here and the model service refused the connection.",
        signs=(Sign(status=(407,)),),
    ),
    FailureRule(
        code="overloaded",
        message="The model service failed, or is overloaded.",
        signs=(
            Sign(status=range(500, 600)),
            Sign(kinds=("server_error", "internal_server_error", "api_error_server", "timeout_error")),
        ),
    ),
    FailureRule(
        code="unreachable",
        message="The model service could not be reached, or the connection broke.",
        signs=(
            Sign(status=(None,), words=_NETWORK),
            Sign(
                kinds=(
                    "connection_failed",
                    "http_connection_failed",
                    "response_stream_connection_failed",
                    "connection_error",
                )
            ),
        ),
    ),
    FailureRule(
        code="overloaded",
        message="The model service did not answer in time, or failed.",
        signs=(
            Sign(status=(408, 425)),
            Sign(status=(None,), words=f"{_SILENCE}|{_BROKEN}|{_FAULT}"),
            Sign(kinds=("response_stream_disconnected",)),
        ),
    ),
    FailureRule(
        code="provider_failed",
        message="The model service was not found under its address, or it does not know the model.",
        recovery="Check the service's address in the settings of the program and of the gateway, and the name of the model.",
        signs=(Sign(status=(404,)),),
    ),
)
