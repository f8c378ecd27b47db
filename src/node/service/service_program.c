/* SPDX-License-Identifier: MIT
 *
 * Services that a program registers, beside those of the settings. What is
 * asked for is a key or a string; which file that stands in is looked up here.
 */
#include "node/service/service_host_internal.h"

#include "tunnel/record/address.h"
#include "tunnel/record/blind.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_CHARS 16 /* of the address, for a file of a new key */

static void public_key(const struct key_file *file, uint8_t key[32])
{
    struct service_secret secret;

    blind_expand(file->secret, &secret);
    memcpy(key, secret.key, sizeof(secret.key));
    sodium_memzero(&secret, sizeof(secret));
}

/* Under which the file of a new key stands. */
static void name_for(const struct service_host *h, const uint8_t key[32],
                     char name[SERVICE_NAME_SIZE])
{
    char address[ADDRESS_TEXT_SIZE];

    address_print(h->network, key, address);
    snprintf(name, SERVICE_NAME_SIZE, "%.*s", NAME_CHARS, address);
}

enum error service_host_new_key(struct service_host *h, uint8_t key[32],
                                struct text *why)
{
    char name[SERVICE_NAME_SIZE];
    const struct bytes no_string = {.len = 0};
    uint8_t fresh[32];
    struct key_file file;
    enum error err;

    key_file_make(&file, no_string);
    public_key(&file, fresh);
    name_for(h, fresh, name);
    err = key_file_create(h->world.data_dir, name, &file, why);
    key_file_wipe(&file);
    if (err == OK)
        memcpy(key, fresh, sizeof(fresh));
    return err;
}

/* ---- Whose file --------------------------------------------------------- */

static bool has_key(const struct service_host *h, const char *name,
                    const uint8_t key[32])
{
    struct key_file file;
    uint8_t found[32];
    struct text why;
    bool has;

    text_init(&why, HOSTED_WHY_SIZE);
    has = key_file_read(h->world.data_dir, name, &file, &why) == OK;
    text_deinit(&why);
    if (!has)
        return false;
    public_key(&file, found);
    has = file.string_len == 0 && memcmp(found, key, sizeof(found)) == 0;
    key_file_wipe(&file);
    return has;
}

/* There may be more files than are listed: where a new key was put is looked
 * at first. */
static bool find_file(const struct service_host *h, const uint8_t key[32],
                      char name[SERVICE_NAME_SIZE])
{
    char names[HOSTED_MAX][SERVICE_NAME_SIZE];
    unsigned count;

    name_for(h, key, name);
    if (has_key(h, name, key))
        return true;
    count = key_file_list(h->world.data_dir, names, HOSTED_MAX);
    for (unsigned i = 0; i < count && i < HOSTED_MAX; i++) {
        if (!has_key(h, names[i], key))
            continue;
        memcpy(name, names[i], SERVICE_NAME_SIZE);
        return true;
    }
    return false;
}

uint32_t service_host_of_string(const struct service_host *h,
                                struct bytes string)
{
    uint32_t found = 0;

    for (unsigned i = 0; i < h->count && found == 0; i++) {
        const struct hosted *s = h->hosted[i];
        struct key_file file = {.string_len = 0};
        struct text why;

        text_init(&why, HOSTED_WHY_SIZE);
        if (s->id != 0 &&
            key_file_read(h->world.data_dir, s->name, &file, &why) == OK &&
            bytes_equal(string, bytes_of(file.string, file.string_len)))
            found = s->id;
        key_file_wipe(&file);
        text_deinit(&why);
    }
    return found;
}

/* ---- Running ------------------------------------------------------------ */

/* One that is in the list, or a new one. */
static struct hosted *take(struct service_host *h, const char *name,
                           const struct service_program *program)
{
    struct hosted *s;

    for (unsigned i = 0; i < h->count; i++)
        if (strcmp(h->hosted[i]->name, name) == 0)
            return h->hosted[i];
    s = hosted_add(h, name);
    if (s == NULL)
        return NULL;
    s->program = malloc(sizeof(*s->program));
    if (s->program == NULL) {
        hosted_drop(h, s);
        return NULL;
    }
    *s->program = *program;
    s->config.hops = program->hops;
    if (program->max_peers != 0)
        s->config.max_peers = program->max_peers;
    return s;
}

enum error service_host_run(struct service_host *h, const uint8_t key[32],
                            const struct service_program *program,
                            struct text *why, uint64_t now, uint32_t *id)
{
    char name[SERVICE_NAME_SIZE];
    struct hosted *s;
    enum error err;

    if (!find_file(h, key, name))
        return ERR_NOT_FOUND;
    s = take(h, name, program);
    if (s == NULL) {
        text_add(why, error_text(ERR_FULL));
        return ERR_FULL;
    }
    if (s->id == 0)
        hosted_start(h, s, now);
    if (s->id != 0) {
        *id = s->id;
        return OK;
    }
    err = s->trouble;
    text_add(why, s->why);
    if (s->program != NULL)
        hosted_drop(h, s);
    return err;
}

void service_host_end(struct service_host *h, uint32_t id, uint64_t now)
{
    for (unsigned i = 0; i < h->count; i++) {
        struct hosted *s = h->hosted[i];

        if (s->id != id || s->program == NULL)
            continue;
        hosted_stop(h, s, false, now);
        hosted_drop(h, s);
        return;
    }
}
