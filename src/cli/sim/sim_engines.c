/* SPDX-License-Identifier: MIT
 *
 * A key of the daemon is a scenario's when its value is an engine's own: what
 * a daemon is for its host (addresses, sockets, files) is made by the
 * simulator, and who is read-only or an exit is said by the scenario.
 */
#include "cli/sim/sim_engines.h"

#include "node/config/config_keys.h"

#include <string.h>

static bool lies_in(const struct setting_key *key, size_t offset, size_t size)
{
    return key->offset >= offset && key->offset < offset + size;
}

static bool may_set(const struct setting_key *key)
{
    if (strcmp(key->name, "read_only") == 0)
        return false;
    if (strcmp(key->section, "dht") == 0)
        return lies_in(key, offsetof(struct config, dht),
                       sizeof(struct dht_config));
    return strcmp(key->section, "tunnel") == 0 &&
           lies_in(key, offsetof(struct config, tunnel),
                   sizeof(struct member_config));
}

enum error sim_engines_init(struct sim_engines *e)
{
    /* A directory that is not used, so that no home is asked for. */
    static char flag[] = "--data-dir", unused[] = "/";
    char *const flags[] = {flag, unused};
    const struct config_input input = {.argc = 2, .argv = flags};
    struct text errors;
    enum error err;

    text_init(&errors, CONFIG_ERRORS_MAX);
    err = config_load(&input, &e->base[0], &errors);
    text_deinit(&errors);
    if (err != OK)
        return err;
    e->base[1] = e->base[0];
    e->daemon = (struct scenario_daemon){.keys = config_keys,
                                         .key_count = config_keys_count,
                                         .may_set = may_set,
                                         .base = {&e->base[0], &e->base[1]}};
    return OK;
}

enum error sim_engines_finish(const struct sim_engines *e, struct scenario *s,
                              struct text *errors)
{
    static const char *const sections[] = {"tunnel", "variant tunnel"};
    enum error err = OK;

    for (int i = 0; i < 2; i++) {
        s->engines[i].dht = e->base[i].dht;
        s->engines[i].tunnel = e->base[i].tunnel;
        if (e->base[i].tunnel.min_circuits <= e->base[i].tunnel.max_circuits)
            continue;
        text_addf(errors,
                  "min_circuits in [%s] is more than max_circuits; raise that "
                  "or lower this\n",
                  sections[i]);
        err = ERR_SYNTAX;
    }
    return err;
}
