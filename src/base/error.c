/* SPDX-License-Identifier: MIT
 *
 * The names of errors. A new one is a line of error.h and a row here; its name
 * is a label of metrics and a word of the JSON, so it never changes.
 */
#include "base/error.h"

#include <assert.h>

static const struct {
    const char *name;
    const char *text;
} errors[ERR_END_] = {
    [OK] = {"ok", "success"},
    [ERR_NOT_MSGPACK] = {"not_msgpack", "not a msgpack object"},
    [ERR_NOT_BENCODE] = {"not_bencode", "not a bencoded object"},
    [ERR_TRAILING] = {"trailing", "bytes after the end of the object"},
    [ERR_TOO_DEEP] = {"too_deep", "containers are nested too deeply"},
    [ERR_TOO_LARGE] = {"too_large", "a length or count is over its limit"},
    [ERR_WRONG_TYPE] = {"wrong_type", "a field has the wrong type"},
    [ERR_WRONG_LENGTH] = {"wrong_length", "a field has the wrong length"},
    [ERR_RANGE] = {"range", "a number is out of range"},
    [ERR_MISSING] = {"missing", "a required field is missing"},
    [ERR_UNSORTED] = {"unsorted", "dictionary keys are not in order"},
    [ERR_REPEATED] = {"repeated", "a key is there twice"},
    [ERR_SALT] = {"salt", "a salt is longer than 64 bytes"},
    [ERR_UNKNOWN_KIND] = {"unknown_kind", "unknown kind of message"},
    [ERR_NETWORK] = {"network", "message of another network"},
    [ERR_ADDRESS] = {"address", "address cannot be used"},
    [ERR_UNEXPECTED] = {"unexpected", "answer to no question of ours"},
    [ERR_RATE_LIMITED] = {"rate_limited", "over the rate limit"},
    [ERR_TOKEN] = {"token", "write token is wrong or too old"},
    [ERR_SIGNATURE] = {"signature", "signature does not verify"},
    [ERR_CAS] = {"cas", "the stored seq is not the cas value"},
    [ERR_SEQ] = {"seq", "seq is not above the stored one"},
    [ERR_EXPIRED] = {"expired", "expired"},
    [ERR_FUTURE] = {"future", "dated in the future"},
    [ERR_FULL] = {"full", "table is full"},
    [ERR_SYNTAX] = {"syntax", "not in the expected form"},
    [ERR_NOT_FOUND] = {"not_found", "not found"},
    [ERR_TIMEOUT] = {"timeout", "no answer in time"},
    [ERR_CANCELLED] = {"cancelled", "cancelled"},
    [ERR_NO_NODES] = {"no_nodes", "no node is known to ask"},
    [ERR_UNREACHABLE] = {"unreachable", "this machine has no route to there"},
    [ERR_FORBIDDEN] = {"forbidden", "a firewall of this machine forbids it"},
    [ERR_NO_MEMORY] = {"no_memory", "out of memory"},
    [ERR_NO_SPACE] = {"no_space", "no space left"},
    [ERR_IO] = {"io", "input/output error"},
    [ERR_CORRUPT] = {"corrupt", "file is corrupt"},
    [ERR_IN_USE] = {"in_use", "in use by another process"},
    [ERR_UNSUPPORTED] = {"unsupported", "not supported"},
    [ERR_REMOTE] = {"remote", "the other side answered with an error"},
};

const char *error_text(enum error e)
{
    assert(e >= OK && e < ERR_END_);
    return errors[e].text;
}

const char *error_name(enum error e)
{
    assert(e >= OK && e < ERR_END_);
    return errors[e].name;
}
