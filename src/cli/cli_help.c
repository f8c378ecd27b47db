/* SPDX-License-Identifier: MIT
 */
#include "cli/cli_help.h"
#include "base/words.h"
#include "node/config/config_keys.h"

#include <string.h>

#define WORDS_MAX 3
#define NAME_SIZE 96

static const struct cli_verb *const tables[] = {
    cli_local_verbs,       cli_status_verbs,      cli_dht_verbs,
    cli_item_verbs,        cli_tunnel_list_verbs, cli_tunnel_verbs,
    cli_tunnel_speed_verbs};

#define TABLES (sizeof(tables) / sizeof(tables[0]))

static const struct cli_option talk_options[] = {
    {"--json", NULL, "print one JSON object for programs"},
    {"--timeout", "SECONDS", "wait no longer for the answer (30)"},
    {"--data-dir", "D", "data directory of the daemon to talk to"},
    {"--control", "PATH", "control socket of the daemon to talk to"},
    {"--config", "F", "configuration of the daemon to talk to"},
    {NULL, NULL, NULL}};

/* Verb `i` of all tables; NULL past the end. */
static const struct cli_verb *verb_at(size_t i)
{
    for (size_t t = 0; t < TABLES; t++) {
        for (const struct cli_verb *v = tables[t]; v->name != NULL; v++) {
            if (i-- == 0)
                return v;
        }
    }
    return NULL;
}

const struct cli_option *cli_option_at(const struct cli_verb *verb,
                                       size_t place)
{
    const struct cli_option *o = verb->options;

    for (; o != NULL && o->name != NULL; o++) {
        if (place-- == 0)
            return o;
    }
    if (!verb->talks)
        return NULL;
    for (o = talk_options; o->name != NULL; o++) {
        if (place-- == 0)
            return o;
    }
    return NULL;
}

/* The first `count` of `argv` with blanks between them. */
static void join(char out[NAME_SIZE], int count, char **argv)
{
    out[0] = '\0';
    for (int i = 0; i < count; i++) {
        size_t len = strlen(out);

        snprintf(out + len, NAME_SIZE - len, "%s%s", i > 0 ? " " : "", argv[i]);
    }
}

const struct cli_verb *cli_find_verb(int argc, char **argv, int *words)
{
    int most = argc < WORDS_MAX ? argc : WORDS_MAX;
    const struct cli_verb *verb;
    char name[NAME_SIZE];

    for (*words = most; *words > 0; --*words) {
        join(name, *words, argv);
        for (size_t i = 0; (verb = verb_at(i)) != NULL; i++) {
            if (strcmp(name, verb->name) == 0)
                return verb;
        }
    }
    return NULL;
}

static int words_in(const char *name)
{
    int count = 1;

    for (; *name != '\0'; name++)
        count += *name == ' ';
    return count;
}

/* ---- Help -------------------------------------------------------------- */

static void print_verb(FILE *to, const struct cli_verb *verb)
{
    char left[NAME_SIZE];

    snprintf(left, sizeof(left), "%s%s%s", verb->name,
             verb->args[0] == '\0' ? "" : " ", verb->args);
    fprintf(to, "  %-26s %s\n", left, verb->meaning);
}

/* Verbs that begin with `group` and a blank; all when it is empty. */
static unsigned print_group(FILE *to, const char *group)
{
    size_t len = strlen(group);
    const struct cli_verb *verb;
    unsigned count = 0;

    for (size_t i = 0; (verb = verb_at(i)) != NULL; i++) {
        if (len > 0 &&
            (strncmp(verb->name, group, len) != 0 || verb->name[len] != ' '))
            continue;
        if (to != NULL)
            print_verb(to, verb);
        count++;
    }
    return count;
}

void cli_help_all(FILE *to)
{
    fputs("usage: warren VERB [FLAGS] [ARGUMENTS]\n\n", to);
    print_group(to, "");
    fputs("\n'warren VERB --help' shows its flags. Exit codes: 0 done, 1 not "
          "found or not\nhealthy, 2 wrong arguments, 3 no daemon runs, 4 "
          "nobody answered, 5 refused by\nothers, 6 trouble on this "
          "machine.\n",
          to);
}

static void print_option(const struct cli_option *o)
{
    char left[NAME_SIZE];

    snprintf(left, sizeof(left), "%s%s%s", o->name, o->value == NULL ? "" : " ",
             o->value == NULL ? "" : o->value);
    printf("  %-26s %s\n", left, o->meaning);
}

/* `lines` beside `left`, the first in its row. */
static void print_meaning(const char *left, const char *lines)
{
    while (*lines != '\0') {
        size_t len = strcspn(lines, "\n");

        printf("  %-26s %.*s\n", left, (int)len, lines);
        lines += len + (lines[len] == '\n');
        left = "";
    }
}

/* Flags of the daemon that have a short form. */
static void print_config_options(void)
{
    print_option(&(struct cli_option){"--config", "F", "read this INI file"});
    for (size_t i = 0; i < config_keys_count; i++) {
        const struct config_key *key = &config_keys[i];
        char left[NAME_SIZE];

        if (key->flag == NULL)
            continue;
        snprintf(left, sizeof(left), "--%s%s", key->flag,
                 key->flag_value == NULL ? " VALUE" : "");
        print_meaning(left, key->meaning);
    }
    puts("\nEvery key has a long form too: --SECTION.KEY VALUE, as 'warren "
         "config default'\nnames them.");
}

void cli_help_verb(const struct cli_verb *verb)
{
    const struct cli_option *option;

    printf("usage: warren %s%s%s%s\n\n%s\n", verb->name,
           verb->raw || verb->talks || verb->options != NULL ? " [FLAGS]" : "",
           verb->args[0] == '\0' ? "" : " ", verb->args, verb->meaning);
    if (verb->raw || cli_option_at(verb, 0) != NULL)
        putchar('\n');
    if (verb->raw)
        print_config_options();
    for (size_t i = 0; (option = cli_option_at(verb, i)) != NULL; i++)
        print_option(option);
}

int cli_help_words(int argc, char **argv)
{
    const struct cli_verb *verb;
    int words;

    if (argc == 0) {
        cli_help_all(stdout);
        return EXIT_DONE;
    }
    verb = cli_find_verb(argc, argv, &words);
    if (verb == NULL)
        return cli_help_unknown(argc, argv);
    cli_help_verb(verb);
    return EXIT_DONE;
}

/* The nearest verb of as many words as it has, if one is near enough. */
static const struct cli_verb *nearest(int argc, char **argv)
{
    const struct cli_verb *verb, *best = NULL;
    unsigned best_distance = 0;
    char typed[NAME_SIZE];

    for (size_t i = 0; (verb = verb_at(i)) != NULL; i++) {
        int words = words_in(verb->name);
        unsigned distance;

        if (words > argc)
            continue;
        join(typed, words, argv);
        distance = words_distance(typed, verb->name);
        if (words_similar(typed, verb->name) &&
            (best == NULL || distance < best_distance)) {
            best = verb;
            best_distance = distance;
        }
    }
    return best;
}

static bool asks_for_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

int cli_help_unknown(int argc, char **argv)
{
    const struct cli_verb *meant = nearest(argc, argv);
    bool group = print_group(NULL, argv[0]) > 0;
    char typed[NAME_SIZE];

    if (group && (argc == 1 || asks_for_help(argv[1]))) {
        FILE *to = argc == 1 ? stderr : stdout;

        fprintf(to, "usage: warren %s ...\n\n", argv[0]);
        print_group(to, argv[0]);
        return argc == 1 ? EXIT_USAGE : EXIT_DONE;
    }
    join(typed, group ? 2 : 1, argv);
    if (meant != NULL)
        return cli_fail(EXIT_USAGE,
                        "there is no verb '%s'; did you mean 'warren %s'?",
                        typed, meant->name);
    return cli_fail(EXIT_USAGE,
                    "there is no verb '%s'; 'warren help' shows what there is",
                    typed);
}
