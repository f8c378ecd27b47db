/* SPDX-License-Identifier: MIT
 *
 * A table of all parameters by name, each with the function that reads it. A
 * method names those that it requires and those that it allows; a sentence
 * tells what is wrong with the first that is not right.
 */
#include "node/rpc/rpc_params.h"
#include "dht/types/magnet.h"
#include "node/control/control_frame.h"
#include "tunnel/circuit/circuit_message.h"
#include "tunnel/circuit/onion.h"
#include "wire/krpc/dht_message.h"

#include <sodium.h>

#include <string.h>

#define TEXT_MAX         128 /* an address, 64 bytes in hex */
#define DESTINATION_MAX  (CIRCUIT_NAME_MAX + 6)
#define COUNT_MAX        1024
#define SERVICE_TEXT_MAX 255
#define MAGNET_MAX       (16 * 1024)
#define MS_MAX           (24 * TIME_HOUR / TIME_MS)

/* A text as a string; fails the reader when it is too long. */
static void read_text(struct mp_reader *r, char out[TEXT_MAX + 1])
{
    struct bytes b = mp_read_bytes(r, 1, TEXT_MAX);

    if (b.len > 0)
        memcpy(out, b.p, b.len);
    out[b.len] = '\0';
}

static void read_address(struct mp_reader *r, struct rpc_params *p)
{
    char text[TEXT_MAX + 1];

    read_text(r, text);
    if (endpoint_parse(text, &p->address) != OK)
        mp_fail(r, ERR_SYNTAX);
}

static void read_target(struct mp_reader *r, struct rpc_params *p)
{
    char text[TEXT_MAX + 1];

    read_text(r, text);
    if (id_parse(text, &p->target) != OK)
        mp_fail(r, ERR_SYNTAX);
}

/* A magnet link is one too. */
static void read_hash(struct mp_reader *r, struct rpc_params *p)
{
    struct bytes text = mp_read_bytes(r, 1, MAGNET_MAX);

    if (r->err == OK && info_hash_parse(text, &p->target, NULL) != OK)
        mp_fail(r, ERR_SYNTAX);
}

static void read_hex(struct mp_reader *r, uint8_t *out, size_t len)
{
    char text[TEXT_MAX + 1];
    size_t got;

    read_text(r, text);
    if (strlen(text) != 2 * len ||
        sodium_hex2bin(out, len, text, 2 * len, NULL, &got, NULL) != 0 ||
        got != len)
        mp_fail(r, ERR_SYNTAX);
}

static void read_port(struct mp_reader *r, struct rpc_params *p)
{
    p->port = (uint16_t)mp_read_uint(r, UINT16_MAX);
    if (p->port == 0)
        mp_fail(r, ERR_RANGE);
}

static void read_value(struct mp_reader *r, struct rpc_params *p)
{
    value_read(r, &p->value);
}

static void read_key(struct mp_reader *r, struct rpc_params *p)
{
    read_hex(r, p->key, sizeof(p->key));
}

static void read_after(struct mp_reader *r, struct rpc_params *p)
{
    read_hex(r, p->after, sizeof(p->after));
}

static void read_signature(struct mp_reader *r, struct rpc_params *p)
{
    read_hex(r, p->signature, sizeof(p->signature));
}

/* BEP 44: sequence numbers count from 0. */
static int64_t read_count(struct mp_reader *r)
{
    return (int64_t)mp_read_uint(r, INT64_MAX);
}

static void read_seq(struct mp_reader *r, struct rpc_params *p)
{
    p->seq = read_count(r);
}

static void read_cas(struct mp_reader *r, struct rpc_params *p)
{
    p->cas = read_count(r);
}

static void read_salt(struct mp_reader *r, struct rpc_params *p)
{
    p->salt = mp_read_bytes(r, 0, DHT_SALT_MAX);
}

static void read_trace(struct mp_reader *r, struct rpc_params *p)
{
    p->trace = mp_read_bool(r);
}

static void read_stream(struct mp_reader *r, struct rpc_params *p)
{
    p->stream = mp_read_bool(r);
}

/* From 1 to `max`. */
static uint64_t read_positive(struct mp_reader *r, uint64_t max)
{
    uint64_t n = mp_read_uint(r, max);

    if (n == 0)
        mp_fail(r, ERR_RANGE);
    return n;
}

static void read_hops(struct mp_reader *r, struct rpc_params *p)
{
    p->hops = (unsigned)read_positive(r, ONION_HOPS_MAX);
}

static void read_circuits(struct mp_reader *r, struct rpc_params *p)
{
    p->count = (unsigned)read_positive(r, COUNT_MAX);
}

static void read_circuit(struct mp_reader *r, struct rpc_params *p)
{
    p->circuit = (uint32_t)read_positive(r, UINT32_MAX);
}

static void read_to(struct mp_reader *r, struct rpc_params *p)
{
    p->to = mp_read_bytes(r, 1, DESTINATION_MAX);
}

static void read_data(struct mp_reader *r, struct rpc_params *p)
{
    p->data = mp_read_bytes(r, 0, CONTROL_REQUEST_MAX);
}

static void read_timeout(struct mp_reader *r, struct rpc_params *p)
{
    p->timeout = read_positive(r, MS_MAX) * TIME_MS;
}

static void read_duration(struct mp_reader *r, struct rpc_params *p)
{
    p->duration = read_positive(r, MS_MAX) * TIME_MS;
}

/* Whether it can be a name is for who looks for it. */
static void read_short(struct mp_reader *r, char out[32])
{
    struct bytes b = mp_read_bytes(r, 0, 31);

    if (b.len > 0)
        memcpy(out, b.p, b.len);
    out[b.len] = '\0';
}

static void read_name(struct mp_reader *r, struct rpc_params *p)
{
    read_short(r, p->name);
}

static void read_label(struct mp_reader *r, struct rpc_params *p)
{
    read_short(r, p->label);
}

static void read_service(struct mp_reader *r, struct rpc_params *p)
{
    p->service = mp_read_bytes(r, 1, SERVICE_TEXT_MAX);
}

static void read_access(struct mp_reader *r, struct rpc_params *p)
{
    read_hex(r, p->access, sizeof(p->access));
}

static void read_line(struct mp_reader *r, struct rpc_params *p)
{
    p->line = mp_read_bytes(r, 1, CONTROL_REQUEST_MAX);
}

static void read_wait(struct mp_reader *r, struct rpc_params *p)
{
    p->wait = mp_read_bool(r);
}

static void read_kinds(struct mp_reader *r, struct rpc_params *p)
{
    p->kinds = mp_read_bytes(r, 0, TEXT_MAX);
}

static void read_type(struct mp_reader *r, struct rpc_params *p)
{
    p->type = mp_read_bytes(r, 0, TEXT_MAX);
}

static void read_call(struct mp_reader *r, struct rpc_params *p)
{
    p->call = (uint32_t)mp_read_uint(r, UINT32_MAX);
}

static void read_credit(struct mp_reader *r, struct rpc_params *p)
{
    p->credit = mp_read_uint(r, UINT32_MAX);
}

static void read_isolation(struct mp_reader *r, struct rpc_params *p)
{
    static const uint8_t use[16] = "control socket";
    struct bytes text;
    uint8_t hash[16];

    if (mp_peek(r) == MP_UINT) {
        p->isolation = mp_read_uint(r, UINT64_MAX);
        return;
    }
    text = mp_read_bytes(r, 1, SERVICE_TEXT_MAX);
    if (r->err != OK)
        return;
    crypto_generichash(hash, sizeof(hash), text.p, text.len, use, sizeof(use));
    memcpy(&p->isolation, hash, sizeof(p->isolation));
}

static void read_visit(struct mp_reader *r, struct rpc_params *p)
{
    p->visit = mp_read_uint(r, UINT64_MAX);
}

static void read_mainline(struct mp_reader *r, struct rpc_params *p)
{
    p->mainline = mp_read_bool(r);
}

static void read_seed(struct mp_reader *r, struct rpc_params *p)
{
    p->seed = mp_read_bool(r);
}

static void read_no_seeds(struct mp_reader *r, struct rpc_params *p)
{
    p->no_seeds = mp_read_bool(r);
}

static const struct {
    const char *name;
    uint64_t bit;
    void (*read)(struct mp_reader *r, struct rpc_params *p);
    const char *right; /* what the value has to be */
} params[] = {
    {"address", RPC_ADDRESS, read_address, "\"ADDR:PORT\""},
    {"target", RPC_TARGET, read_target, "exactly 40 hex digits"},
    {"port", RPC_PORT, read_port, "a number from 1 to 65535"},
    {"value", RPC_VALUE, read_value,
     "a byte string, an integer >= 0 or < 0, a list or a dictionary with "
     "sorted keys, of at most 1000 bytes when bencoded"},
    {"key", RPC_KEY, read_key, "exactly 64 hex digits"},
    {"signature", RPC_SIGNATURE, read_signature, "exactly 128 hex digits"},
    {"after", RPC_AFTER, read_after, "exactly 64 hex digits"},
    {"seq", RPC_SEQ, read_seq, "a number from 0 to 2^63 - 1"},
    {"cas", RPC_CAS, read_cas, "a number from 0 to 2^63 - 1"},
    {"salt", RPC_SALT, read_salt, "at most 64 bytes"},
    {"trace", RPC_TRACE, read_trace, "true or false"},
    {"stream", RPC_STREAM, read_stream, "true or false"},
    {"hops", RPC_HOPS, read_hops, "a number from 1 to 4"},
    {"count", RPC_COUNT, read_circuits, "a number from 1 to 1024"},
    {"circuit", RPC_CIRCUIT, read_circuit, "the number of a circuit"},
    {"to", RPC_TO, read_to, "\"HOST:PORT\""},
    {"data", RPC_DATA, read_data, "bytes"},
    {"timeout", RPC_TIMEOUT, read_timeout, "milliseconds, from 1 to a day"},
    {"duration", RPC_DURATION, read_duration, "milliseconds, from 1 to a day"},
    {"name", RPC_NAME, read_name, "a name of at most 31 bytes"},
    {"label", RPC_LABEL, read_label, "a label of at most 31 bytes"},
    {"service", RPC_SERVICE, read_service,
     "a string of 1 to 255 bytes, or an address"},
    {"access", RPC_ACCESS, read_access, "exactly 64 hex digits"},
    {"line", RPC_LINE, read_line,
     "a key as `warren service key export` "
     "prints it"},
    {"wait", RPC_WAIT, read_wait, "true or false"},
    {"kinds", RPC_KINDS, read_kinds,
     "names with commas between: circuits, data, peers, services, streams"},
    {"type", RPC_TYPE, read_type, "\"data\""},
    {"call", RPC_CALL, read_call, "the msgid of a request that runs"},
    {"credit", RPC_CREDIT, read_credit, "bytes, at most 2^32 - 1"},
    {"isolation", RPC_ISOLATION, read_isolation,
     "a number from 0 to 2^64 - 1, or a text of 1 to 255 bytes"},
    {"visit", RPC_VISIT, read_visit, "the number of a visit"},
    {"target", RPC_HASH, read_hash,
     "exactly 40 hex digits, or a magnet link with xt=urn:btih:"},
    {"mainline", RPC_MAINLINE, read_mainline, "true or false"},
    {"seed", RPC_SEED, read_seed, "true or false"},
    {"no_seeds", RPC_NO_SEEDS, read_no_seeds, "true or false"},
};

#define PARAMS (sizeof(params) / sizeof(params[0]))

static void say_unknown(struct text *why, struct bytes name, uint64_t allowed)
{
    const char *gap = "";

    text_add(why, "there is no parameter \"");
    text_add_printable(why, name);
    text_add(why, "\"; this method takes: ");
    for (size_t i = 0; i < PARAMS; i++) {
        if ((allowed & params[i].bit) == 0)
            continue;
        text_addf(why, "%s%s", gap, params[i].name);
        gap = ", ";
    }
}

static enum error read_one(struct mp_reader *r, uint64_t allowed,
                           struct rpc_params *p, struct text *why)
{
    struct bytes name = mp_read_bytes(r, 0, CONTROL_METHOD_MAX);

    for (size_t i = 0; i < PARAMS; i++) {
        if ((allowed & params[i].bit) == 0 ||
            !bytes_equal(name, bytes_of_text(params[i].name)))
            continue;
        params[i].read(r, p);
        p->has |= params[i].bit;
        if (r->err == OK)
            return OK;
        text_addf(why, "%s must be %s", params[i].name, params[i].right);
        return ERR_SYNTAX;
    }
    say_unknown(why, name, allowed);
    return ERR_SYNTAX;
}

enum error rpc_params_read(struct mp_reader *r, uint64_t required,
                           uint64_t allowed, struct rpc_params *out,
                           struct text *why)
{
    uint32_t pairs = 0;
    enum error err = OK;

    out->has = 0;
    out->salt = bytes_of(NULL, 0);
    out->trace = false;
    out->stream = false;
    out->hops = 0;
    out->count = 0;
    out->circuit = 0;
    out->to = bytes_of(NULL, 0);
    out->data = bytes_of(NULL, 0);
    out->name[0] = '\0';
    out->label[0] = '\0';
    out->service = bytes_of(NULL, 0);
    out->line = bytes_of(NULL, 0);
    out->wait = true;
    out->kinds = bytes_of(NULL, 0);
    out->type = bytes_of(NULL, 0);
    out->call = 0;
    out->credit = 0;
    out->isolation = 0;
    out->visit = 0;
    out->mainline = false;
    out->seed = false;
    out->no_seeds = false;
    out->timeout = RPC_TIMEOUT_DEFAULT;
    out->duration = RPC_DURATION_DEFAULT;
    if (r->at != r->end)
        pairs = mp_read_map(r, CONTROL_PARAMS_MAX);
    if (r->err != OK) {
        text_add(why, "the parameters must be one map");
        return ERR_SYNTAX;
    }
    for (; pairs > 0 && err == OK; pairs--)
        err = read_one(r, allowed | required, out, why);
    for (size_t i = 0; i < PARAMS && err == OK; i++) {
        if ((required & ~out->has & params[i].bit) == 0)
            continue;
        text_addf(why, "the parameter %s is missing: %s", params[i].name,
                  params[i].right);
        err = ERR_SYNTAX;
    }
    return err;
}
