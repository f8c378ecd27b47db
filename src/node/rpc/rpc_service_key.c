/* SPDX-License-Identifier: MIT
 *
 * Methods that make, change and take away services of this node, each of which
 * is a key file.
 */
#include "node/os/clock.h"
#include "node/rpc/service_call.h"
#include "tunnel/record/address.h"

#include <sodium.h>

#define WHY_LIMIT  1024
#define LINE_LIMIT 8192

static struct service_host *host(const struct rpc *rpc)
{
    return rpc->node->services;
}

static void fail(struct control_call *call, enum error err, struct text *why)
{
    control_fail(call, err, why->len > 0 ? text_get(why) : NULL);
    text_deinit(why);
}

/* "name", and "address" or "string". */
static void answer_service(struct rpc *rpc, struct control_call *call,
                           const char *name, const struct key_file *key)
{
    const struct hosted *s = service_host_find(host(rpc), name);
    struct mp_writer *w = control_reply(call);
    char text[ADDRESS_TEXT_SIZE];
    struct service_status status;

    mp_write_map(w, 2);
    rpc_write_text(w, "name", name);
    if (key->string_len > 0) {
        mp_write_text(w, "string");
        mp_write_bin(w, bytes_of(key->string, key->string_len));
    } else if (s != NULL &&
               service_get_status(service_host_engine(host(rpc)), s->id,
                                  clock_now(), &status) == OK) {
        rpc_write_text(
            w, "address",
            address_print(rpc->node->config.dht.network, status.key, text));
    } else {
        mp_write_text(w, "address");
        mp_write_nil(w);
    }
    control_finish(call);
}

static void add(struct rpc *rpc, struct control_call *call, const char *name,
                const struct key_file *key)
{
    struct text why;
    enum error err;

    text_init(&why, WHY_LIMIT);
    err = service_host_add(host(rpc), name, key, &why, clock_now());
    if (err != OK) {
        fail(call, err, &why);
        return;
    }
    answer_service(rpc, call, name, key);
    text_deinit(&why);
}

void rpc_service_new(struct rpc *rpc, struct control_call *call,
                     const struct rpc_params *params)
{
    struct key_file key;

    if (rpc_services(rpc, call) == NULL)
        return;
    if (address_is(params->service)) {
        control_fail(call, ERR_SYNTAX,
                     "a string cannot end in .warren, as addresses do");
        return;
    }
    key_file_make(&key, params->service);
    add(rpc, call, params->name, &key);
    key_file_wipe(&key);
}

void rpc_service_import(struct rpc *rpc, struct control_call *call,
                        const struct rpc_params *params)
{
    struct key_file key;
    struct text why;
    enum error err;

    if (rpc_services(rpc, call) == NULL)
        return;
    text_init(&why, WHY_LIMIT);
    err = key_file_import(params->line, &key, &why);
    if (err != OK) {
        fail(call, err, &why);
        return;
    }
    text_deinit(&why);
    add(rpc, call, params->name, &key);
    key_file_wipe(&key);
}

void rpc_service_remove(struct rpc *rpc, struct control_call *call,
                        const struct rpc_params *params)
{
    const struct hosted *s;
    struct text why;
    enum error err;
    uint32_t id;

    if (rpc_services(rpc, call) == NULL)
        return;
    s = service_host_find(host(rpc), params->name);
    id = s == NULL ? 0 : s->id;
    text_init(&why, WHY_LIMIT);
    err = service_host_remove(host(rpc), params->name, &why, clock_now());
    if (err != OK) {
        fail(call, err, &why);
        return;
    }
    text_deinit(&why);
    if (id != 0) {
        service_calls_end(rpc, id);
        rpc_service_ended(rpc, id);
    }
    mp_write_map(control_reply(call), 0);
    control_finish(call);
}

/* ---- Keys and access ---------------------------------------------------- */

/* False after `call` was answered. */
static bool read_key(struct rpc *rpc, struct control_call *call,
                     const char *name, struct key_file *key)
{
    struct text why;
    enum error err;

    if (service_host_find(host(rpc), name) == NULL) {
        rpc_no_service(call, name);
        return false;
    }
    text_init(&why, WHY_LIMIT);
    err = key_file_read(rpc->node->config.data_dir, name, key, &why);
    if (err != OK)
        fail(call, err, &why);
    else
        text_deinit(&why);
    return err == OK;
}

void rpc_service_export(struct rpc *rpc, struct control_call *call,
                        const struct rpc_params *params)
{
    struct key_file key;
    struct text line;

    if (!read_key(rpc, call, params->name, &key))
        return;
    text_init(&line, LINE_LIMIT);
    key_file_export(&key, &line);
    key_file_wipe(&key);
    struct mp_writer *w = control_reply(call);
    mp_write_map(w, 1);
    rpc_write_text(w, "line", text_get(&line));
    control_finish(call);
    if (line.buf != NULL)
        sodium_memzero(line.buf, line.cap);
    text_deinit(&line);
}

void rpc_service_access(struct rpc *rpc, struct control_call *call,
                        const struct rpc_params *params)
{
    struct key_file key;
    struct mp_writer *w;

    if (!read_key(rpc, call, params->name, &key))
        return;
    w = control_reply(call);
    mp_write_map(w, 1);
    mp_write_text(w, "labels");
    mp_write_array(w, key.access_count);
    for (unsigned i = 0; i < key.access_count; i++)
        mp_write_text(w, key.access[i].label);
    control_finish(call);
    key_file_wipe(&key);
}

static void change_access(struct rpc *rpc, struct control_call *call,
                          const struct rpc_params *params,
                          enum error (*change)(struct key_file *key,
                                               const char *label,
                                               struct text *why))
{
    const struct key_access *last;
    struct mp_writer *w;
    struct key_file key;
    struct text why;
    unsigned before;
    enum error err;

    if (rpc_services(rpc, call) == NULL ||
        !read_key(rpc, call, params->name, &key))
        return;
    before = key.access_count;
    text_init(&why, WHY_LIMIT);
    err = change(&key, params->label, &why);
    if (err == OK)
        err = service_host_change_access(host(rpc), params->name, &key, &why,
                                         clock_now());
    if (err != OK) {
        fail(call, err, &why);
    } else {
        text_deinit(&why);
        w = control_reply(call);
        mp_write_map(w, 3);
        rpc_write_text(w, "label", params->label);
        rpc_write_uint(w, "count", key.access_count);
        if (key.access_count > before) {
            last = &key.access[key.access_count - 1];
            rpc_write_hex(w, "secret", bytes_of(last->secret, 32));
        } else {
            mp_write_text(w, "secret");
            mp_write_nil(w);
        }
        control_finish(call);
    }
    key_file_wipe(&key);
}

void rpc_service_allow(struct rpc *rpc, struct control_call *call,
                       const struct rpc_params *params)
{
    change_access(rpc, call, params, key_file_allow);
}

void rpc_service_disallow(struct rpc *rpc, struct control_call *call,
                          const struct rpc_params *params)
{
    change_access(rpc, call, params, key_file_disallow);
}
