/* SPDX-License-Identifier: MIT
 *
 * Values that are one number, one word or one distribution: "weibull 0.6 40m".
 */
#include "sim/scenario/scenario_keys.h"

#include "base/timestamp.h"

#include <inttypes.h>
#include <string.h>

#define WORD_SIZE 32

/* ---- Numbers with a point ------------------------------------------------ */

static enum error parse_real(const struct setting_key *key, const char *text,
                             void *value, struct text *why)
{
    double n;

    (void)why;
    if (!setting_read_real(text, &n) || n > (double)key->max)
        return ERR_SYNTAX;
    *(double *)value = n;
    return OK;
}

static void print_real(const struct setting_key *key, const void *value,
                       struct text *out)
{
    (void)key;
    text_addf(out, "%.15g", *(const double *)value);
}

static void explain_real(const struct setting_key *key, struct text *out)
{
    text_addf(out, "a number from 0 to %" PRIu64 ", like 2 or 0.5", key->max);
}

const struct setting_type scenario_real = {
    .parse = parse_real, .print = print_real, .explain = explain_real};

/* ---- Distributions ------------------------------------------------------- */

/* What stands behind each name: A and B are times or sizes, S a number. */
static const struct form {
    const char *name, *values;
    enum spread_kind kind;
} forms[] = {
    {"fixed", "A", SPREAD_FIXED},
    {"uniform", "AB", SPREAD_UNIFORM},
    {"exponential", "A", SPREAD_EXPONENTIAL},
    {"weibull", "SA", SPREAD_WEIBULL},
    {"pareto", "SA", SPREAD_PARETO},
    {"lognormal", "AS", SPREAD_LOGNORMAL},
};
#define FORMS       (sizeof(forms) / sizeof(forms[0]))
#define SHAPE_LEAST 0.05
#define SHAPE_MOST  20

static bool is_size(const struct setting_key *key)
{
    return key->type == &scenario_uplink;
}

static bool read_amount(const struct setting_key *key, const char *text,
                        uint64_t *out)
{
    bool read = is_size(key) ? setting_read_size(text, out)
                             : setting_read_duration(text, out);

    return read && *out >= key->min && *out <= key->max;
}

static bool read_shape(const char *text, double *out)
{
    return setting_read_real(text, out) && *out >= SHAPE_LEAST &&
           *out <= SHAPE_MOST;
}

static bool read_values(const struct setting_key *key, const struct form *form,
                        const char *text, struct spread *out)
{
    char word[WORD_SIZE];
    bool right = true;

    for (const char *v = form->values; *v != '\0' && right; v++) {
        right = setting_next_word(&text, word, sizeof(word));
        if (right && *v == 'S')
            right = read_shape(word, &out->shape);
        else if (right)
            right = read_amount(key, word, *v == 'A' ? &out->a : &out->b);
    }
    return right && setting_is_blank(text) &&
           (form->kind != SPREAD_UNIFORM || out->a <= out->b);
}

static bool is_none(const struct setting_key *key, const char *text)
{
    return key->type->names != NULL && strcmp(key->type->names[0], text) == 0;
}

static enum error parse_spread(const struct setting_key *key, const char *text,
                               void *value, struct text *why)
{
    struct spread s = {0};
    char word[WORD_SIZE];

    (void)why;
    if (is_none(key, text)) {
        *(struct spread *)value = s;
        return OK;
    }
    if (!setting_next_word(&text, word, sizeof(word)))
        return ERR_SYNTAX;
    for (size_t i = 0; i < FORMS; i++) {
        s.kind = forms[i].kind;
        if (strcmp(word, forms[i].name) == 0 &&
            read_values(key, &forms[i], text, &s)) {
            *(struct spread *)value = s;
            return OK;
        }
    }
    return ERR_SYNTAX;
}

static void print_amount(const struct setting_key *key, uint64_t n,
                         struct text *out)
{
    text_add(out, " ");
    if (is_size(key))
        setting_print_size(n, out);
    else
        setting_print_duration(n, out);
}

static void print_spread(const struct setting_key *key, const void *value,
                         struct text *out)
{
    const struct spread *s = value;

    if (s->kind == SPREAD_FOREVER)
        text_add(out, key->type->names == NULL ? "" : key->type->names[0]);
    for (size_t i = 0; i < FORMS; i++) {
        if (forms[i].kind != s->kind)
            continue;
        text_add(out, forms[i].name);
        for (const char *v = forms[i].values; *v != '\0'; v++) {
            if (*v == 'S')
                text_addf(out, " %.15g", s->shape);
            else
                print_amount(key, *v == 'A' ? s->a : s->b, out);
        }
    }
}

static void explain_spread(const struct setting_key *key, struct text *out)
{
    const char *unit = is_size(key) ? "size" : "time";

    if (key->type->names != NULL)
        text_addf(out, "%s, or ", key->type->names[0]);
    text_addf(out,
              "one of fixed A, uniform A B, exponential MEAN, weibull SHAPE "
              "SCALE, pareto SHAPE MIN, lognormal MEDIAN SIGMA, where each "
              "%s is from",
              unit);
    print_amount(key, key->min, out);
    text_add(out, " to");
    print_amount(key, key->max, out);
    text_addf(out, " and SHAPE and SIGMA from %g to %d", SHAPE_LEAST,
              SHAPE_MOST);
}

#define SPREAD \
    .parse = parse_spread, .print = print_spread, .explain = explain_spread

static const char *const forever[] = {"forever", NULL};
static const char *const wide[] = {"wide", NULL};
static const char *const unlimited[] = {"unlimited", NULL};

const struct setting_type scenario_session = {SPREAD, .names = forever};
const struct setting_type scenario_latency = {SPREAD, .names = wide};
const struct setting_type scenario_uplink = {SPREAD, .names = unlimited};

/* ---- Files --------------------------------------------------------------- */

static enum error parse_csv(const struct setting_key *key, const char *text,
                            void *value, struct text *why)
{
    if (text[0] != '\0')
        return setting_path.parse(key, text, value, why);
    *(char *)value = '\0';
    return OK;
}

static void print_csv(const struct setting_key *key, const void *value,
                      struct text *out)
{
    setting_path.print(key, value, out);
}

static void explain_csv(const struct setting_key *key, struct text *out)
{
    text_add(out, "nothing, or ");
    setting_path.explain(key, out);
}

const struct setting_type scenario_csv = {
    .parse = parse_csv, .print = print_csv, .explain = explain_csv};

/* ---- Choices ------------------------------------------------------------- */

static const char *const arrivals[] = {"at_once", "evenly", "by_chance", NULL};
static const char *const popularities[] = {"uniform", "zipf", NULL};

/* In the order of enum dht_dialect. */
static const char *const dialects[] = {"warren", "mainline", NULL};

const struct setting_type scenario_dialect = {SETTING_CHOICE,
                                              .names = dialects};
const struct setting_type scenario_arrival = {SETTING_CHOICE,
                                              .names = arrivals};
const struct setting_type scenario_popularity = {SETTING_CHOICE,
                                                 .names = popularities};
