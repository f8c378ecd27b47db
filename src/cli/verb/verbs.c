/* SPDX-License-Identifier: MIT
 *
 * Looks through the tables for the verb of the most words that the command line
 * begins with: "dht key new" before "dht".
 */
#include "cli/verb/verbs.h"

#include <stdio.h>
#include <string.h>

#define WORDS_MAX 3

static const struct cli_verb *const tables[] = {
    cli_local_verbs,        cli_status_verbs,      cli_events_verbs,
    cli_dht_verbs,          cli_peers_verbs,       cli_item_verbs,
    cli_published_verbs,    cli_tunnel_list_verbs, cli_tunnel_verbs,
    cli_tunnel_speed_verbs, cli_service_verbs,     cli_service_key_verbs,
    cli_service_use_verbs,  cli_exec_verbs,        cli_sim_verbs,
    cli_crawl_verbs};

#define TABLES (sizeof(tables) / sizeof(tables[0]))

const struct cli_verb *cli_verb_at(size_t i)
{
    for (size_t t = 0; t < TABLES; t++) {
        for (const struct cli_verb *v = tables[t]; v->name != NULL; v++) {
            if (i-- == 0)
                return v;
        }
    }
    return NULL;
}

void cli_join_words(char out[CLI_NAME_SIZE], int count, char **argv)
{
    out[0] = '\0';
    for (int i = 0; i < count; i++) {
        size_t len = strlen(out);

        snprintf(out + len, CLI_NAME_SIZE - len, "%s%s", i > 0 ? " " : "",
                 argv[i]);
    }
}

const struct cli_verb *cli_find_verb(int argc, char **argv, int *words)
{
    int most = argc < WORDS_MAX ? argc : WORDS_MAX;
    const struct cli_verb *verb;
    char name[CLI_NAME_SIZE];

    for (*words = most; *words > 0; --*words) {
        cli_join_words(name, *words, argv);
        for (size_t i = 0; (verb = cli_verb_at(i)) != NULL; i++) {
            if (strcmp(name, verb->name) == 0)
                return verb;
        }
    }
    return NULL;
}
