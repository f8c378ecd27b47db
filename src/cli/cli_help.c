/* SPDX-License-Identifier: MIT
 *
 * Help is made from the tables of verbs and from the keys of the configuration,
 * so that nothing is said twice. A word that names no verb is looked at from
 * the left: if it begins verbs of more words those are shown, if it is near to
 * one that is suggested.
 */
#include "cli/cli_help.h"
#include "base/text.h"
#include "base/words.h"
#include "cli/show/say.h"
#include "cli/show/screen.h"
#include "cli/verb/verbs.h"
#include "node/config/config_keys.h"

#include <stdio.h>
#include <string.h>

#define MEANING_AT  30 /* column of what is said about verbs and flags */
#define MEANING_MAX 4096

static int words_in(const char *name)
{
    int count = 1;

    for (; *name != '\0'; name++)
        count += *name == ' ';
    return count;
}

/* ---- Help -------------------------------------------------------------- */

bool cli_help_is_flag(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static void print_verb(FILE *to, const struct cli_verb *verb)
{
    char left[CLI_NAME_SIZE];

    snprintf(left, sizeof(left), "  %s%s%s", verb->name,
             verb->args[0] == '\0' ? "" : " ", verb->args);
    screen_fold(to, MEANING_AT, left, verb->meaning);
}

/* Verbs that begin with `group` and a blank; all when it is empty. */
static unsigned print_group(FILE *to, const char *group)
{
    size_t len = strlen(group);
    const struct cli_verb *verb;
    unsigned count = 0;

    for (size_t i = 0; (verb = cli_verb_at(i)) != NULL; i++) {
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
    fputc('\n', to);
    screen_fold(to, 0, "",
                "'warren VERB --help' shows its flags. Exit codes: 0 done, 1 "
                "not found or not healthy, 2 wrong arguments, 3 no daemon "
                "runs, 4 nobody answered, 5 refused by others, 6 trouble on "
                "this machine.");
}

static void print_option(const struct cli_option *o)
{
    char left[CLI_NAME_SIZE];

    snprintf(left, sizeof(left), "  %s%s%s", o->name,
             o->value == NULL ? "" : " ", o->value == NULL ? "" : o->value);
    screen_fold(stdout, MEANING_AT, left, o->meaning);
}

/* What the configuration says in lines of its own, in the screen's. */
static void print_meaning(const char *left, const char *lines)
{
    struct text meaning;

    text_init(&meaning, MEANING_MAX);
    for (; *lines != '\0'; lines++)
        text_add_bytes(&meaning, bytes_of(*lines == '\n' ? " " : lines, 1));
    screen_fold(stdout, MEANING_AT, left, text_get(&meaning));
    text_deinit(&meaning);
}

/* Flags of the daemon that have a short form. */
static void print_config_options(void)
{
    print_option(&(struct cli_option){"--config", "F", "read this INI file"});
    for (size_t i = 0; i < config_keys_count; i++) {
        const struct setting_key *key = &config_keys[i];
        char left[CLI_NAME_SIZE];

        if (key->flag == NULL)
            continue;
        snprintf(left, sizeof(left), "  --%s%s", key->flag,
                 key->flag_value == NULL ? " VALUE" : "");
        print_meaning(left, key->flag_meaning == NULL ? key->meaning
                                                      : key->flag_meaning);
    }
    putchar('\n');
    screen_fold(stdout, 0, "",
                "Every key has a long form too: --SECTION.KEY VALUE, as "
                "'warren config default' names them.");
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

/* ---- Words that name no verb -------------------------------------------- */

/* The nearest verb of as many words as it has, if one is near enough. */
static const struct cli_verb *nearest(int argc, char **argv)
{
    const struct cli_verb *verb, *best = NULL;
    unsigned best_distance = 0;
    char typed[CLI_NAME_SIZE];

    for (size_t i = 0; (verb = cli_verb_at(i)) != NULL; i++) {
        int words = words_in(verb->name);
        unsigned distance;

        if (words > argc)
            continue;
        cli_join_words(typed, words, argv);
        distance = words_distance(typed, verb->name);
        if (words_similar(typed, verb->name) &&
            (best == NULL || distance < best_distance)) {
            best = verb;
            best_distance = distance;
        }
    }
    return best;
}

/* How many of the words begin verbs of more words: "dht", "dht key". */
static int group_of(int argc, char **argv)
{
    char typed[CLI_NAME_SIZE];

    for (int words = argc < 2 ? argc : 2; words > 0; words--) {
        cli_join_words(typed, words, argv);
        if (print_group(NULL, typed) > 0)
            return words;
    }
    return 0;
}

static int help_group(int argc, char **argv, int words)
{
    FILE *to = argc == words ? stderr : stdout;
    char group[CLI_NAME_SIZE];

    cli_join_words(group, words, argv);
    fprintf(to, "usage: warren %s ...\n\n", group);
    print_group(to, group);
    return argc == words ? EXIT_USAGE : EXIT_DONE;
}

int cli_help_unknown(int argc, char **argv)
{
    const struct cli_verb *meant = nearest(argc, argv);
    int group = group_of(argc, argv);
    char typed[CLI_NAME_SIZE];

    if (group > 0 && (argc == group || cli_help_is_flag(argv[group])))
        return help_group(argc, argv, group);
    cli_join_words(typed, group + 1, argv);
    if (meant != NULL)
        return cli_fail(EXIT_USAGE,
                        "there is no verb '%s'; did you mean 'warren %s'?",
                        typed, meant->name);
    return cli_fail(EXIT_USAGE,
                    "there is no verb '%s'; 'warren help' shows what there is",
                    typed);
}
