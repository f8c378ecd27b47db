/* SPDX-License-Identifier: MIT
 *
 * The files beside a scenario: where they are, and what they make of its hash.
 */
#include "sim/scenario/scenario.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define PIECE   4096
#define LARGEST ((uint64_t)1 << 30)

enum error scenario_resolve(struct scenario *s, const char *path)
{
    char *const names[] = {s->nodes.trace, s->network.regions,
                           s->network.places};
    const char *slash = path == NULL ? NULL : strrchr(path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - path) + 1;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t own = strlen(names[i]);

        if (own == 0 || names[i][0] == '/' || len == 0)
            continue;
        if (len + own >= SETTING_TEXT_SIZE)
            return ERR_RANGE;
        memmove(names[i] + len, names[i], own + 1);
        memcpy(names[i], path, len);
    }
    return OK;
}

/* An empty name is a file without bytes. */
static enum error add_file(crypto_generichash_state *h, const char *name,
                           struct text *why)
{
    unsigned char piece[PIECE];
    uint64_t all = 0;
    FILE *f = name[0] == '\0' ? NULL : fopen(name, "re");
    enum error err = OK;
    size_t len;

    if (name[0] != '\0' && f == NULL) {
        text_addf(why, "%s: %s", name, strerror(errno));
        return ERR_IO;
    }
    while (f != NULL && (len = fread(piece, 1, sizeof(piece), f)) > 0) {
        crypto_generichash_update(h, piece, len);
        all += len;
        if (all > LARGEST) {
            text_addf(why, "%s: has more than a gigabyte", name);
            fclose(f);
            return ERR_IO;
        }
    }
    if (f != NULL && ferror(f)) {
        text_addf(why, "%s: %s", name, strerror(errno));
        err = ERR_IO;
    }
    if (f != NULL)
        fclose(f);
    for (int i = 0; i < 8; i++)
        piece[i] = (unsigned char)(all >> (8 * i));
    crypto_generichash_update(h, piece, 8);
    return err;
}

enum error scenario_hash(const struct scenario *s, const char *values,
                         char out[SCENARIO_HASH_SIZE], struct text *why)
{
    const char *const names[] = {s->nodes.trace, s->network.regions,
                                 s->network.places};
    unsigned char digest[32];
    crypto_generichash_state h;
    enum error err = OK;

    crypto_generichash_init(&h, NULL, 0, sizeof(digest));
    crypto_generichash_update(&h, (const unsigned char *)values,
                              strlen(values));
    for (size_t i = 0; i < 3 && err == OK; i++)
        err = add_file(&h, names[i], why);
    crypto_generichash_final(&h, digest, sizeof(digest));
    if (err == OK)
        sodium_bin2hex(out, SCENARIO_HASH_SIZE, digest, sizeof(digest));
    return err;
}
