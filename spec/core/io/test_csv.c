/* CSV: quotes, line ends, numbers, missing values, levels, and what is damaged. */
#include <locale.h>
#include <zlib.h>

#include "damage.h"

static mtl_csv *open_csv(const char *text, const char *missing)
{
    mtl_csv *csv = NULL;
    CHECK(mtl_csv_read(ctx, put_text("data.csv", text), &(mtl_csv_options){.missing = missing}, &csv) == MTL_OK);
    return csv;
}

static float number(mtl_csv *csv, int column, int64_t row)
{
    mtl_tensor *t = NULL;
    float value = -12345;
    if (CHECK(mtl_csv_numbers(csv, column, &t) == MTL_OK))
        value = ((float *)mtl_tensor_data(t))[row];
    mtl_tensor_release(t);
    return value;
}

/* The text of a field, by its code. */
static const char *text(mtl_csv *csv, int column, int64_t row)
{
    mtl_tensor *t = NULL;
    const char *level = "(missing)";
    if (CHECK(mtl_csv_codes(csv, column, &t) == MTL_OK) && ((int32_t *)mtl_tensor_data(t))[row] >= 0)
        level = mtl_csv_level(csv, column, ((int32_t *)mtl_tensor_data(t))[row]);
    mtl_tensor_release(t);
    return level;
}

static void reads_numbers_and_texts(void)
{
    mtl_csv *csv = open_csv("carat,cut,n\n0.23,Ideal,1\n-1.5e2,Good,+2\n .5 ,Ideal,3.\n", NULL);
    MUST(csv);
    CHECK(mtl_csv_rows(csv) == 3 && mtl_csv_columns(csv) == 3);
    CHECK_TEXT(mtl_csv_name(csv, 1), "cut");
    CHECK(mtl_csv_find(csv, "n") == 2 && mtl_csv_find(csv, "N") == -1);
    CHECK(mtl_csv_numeric(csv, 0) && !mtl_csv_numeric(csv, 1) && mtl_csv_numeric(csv, 2));
    CHECK(number(csv, 0, 0) == 0.23f && number(csv, 0, 1) == -150 && number(csv, 0, 2) == 0.5f);
    CHECK(number(csv, 2, 1) == 2 && number(csv, 2, 2) == 3);
    CHECK(mtl_csv_levels(csv, 1) == 2);
    CHECK_TEXT(mtl_csv_level(csv, 1, 0), "Good");
    CHECK_TEXT(text(csv, 1, 2), "Ideal");
    CHECK(!mtl_csv_level(csv, 1, 2) && !mtl_csv_level(csv, 1, -1) && !mtl_csv_level(csv, 3, 0));
    CHECK(!mtl_csv_name(csv, 3) && !mtl_csv_name(csv, -1));
    mtl_tensor *t = NULL;
    CHECK(mtl_csv_numbers(csv, 1, &t) == MTL_ERR_FORMAT && !t);
    CHECK_CONTAINS(mtl_message(ctx), "data.csv:2: column 'cut': 'Ideal' is not a number");
    CHECK(mtl_csv_numbers(csv, 3, &t) == MTL_ERR_ARG && mtl_csv_codes(csv, -1, &t) == MTL_ERR_ARG);
    mtl_csv_free(csv);
}

static void reads_quotes_and_line_ends(void)
{
    mtl_csv *csv =
        open_csv("\xef\xbb\xbf\"a\",\"b, c\",d\r\n\"1\",\"x\r\ny\n\"\"z\"\"\",\"\"\r\n\r\n2,\xc3\xa9,w", NULL);
    MUST(csv);
    CHECK(mtl_csv_rows(csv) == 2);
    CHECK_TEXT(mtl_csv_name(csv, 0), "a");
    CHECK_TEXT(mtl_csv_name(csv, 1), "b, c");
    CHECK(number(csv, 0, 0) == 1 && number(csv, 0, 1) == 2);
    CHECK_TEXT(text(csv, 1, 0), "x\r\ny\n\"z\"");
    CHECK_TEXT(text(csv, 1, 1), "\xc3\xa9");
    CHECK_TEXT(text(csv, 2, 0), "(missing)");
    CHECK_TEXT(text(csv, 2, 1), "w");
    CHECK(mtl_csv_line(csv, 0) == 2 && mtl_csv_line(csv, 1) == 6);
    CHECK(mtl_csv_line(csv, 2) == -1 && mtl_csv_line(csv, -1) == -1);
    mtl_csv_free(csv);
}

static void knows_missing_values(void)
{
    mtl_csv *csv = open_csv("a,b,c\n1,?,x\n?,?,?\n , ?,\n-0,?,y\n", "?");
    MUST(csv);
    CHECK(mtl_csv_numeric(csv, 0) && mtl_csv_numeric(csv, 1) && !mtl_csv_numeric(csv, 2));
    CHECK(number(csv, 0, 0) == 1 && isnan(number(csv, 0, 1)) && isnan(number(csv, 0, 2)) && number(csv, 0, 3) == 0);
    CHECK(isnan(number(csv, 1, 0)) && mtl_csv_levels(csv, 1) == 0);
    CHECK_TEXT(text(csv, 2, 1), "(missing)");
    CHECK_TEXT(text(csv, 2, 2), "(missing)");
    CHECK_TEXT(text(csv, 2, 3), "y");
    mtl_csv_free(csv);
    csv = open_csv("a,b\n1,-999\n-999,2\n", "-999");
    MUST(csv);
    CHECK(isnan(number(csv, 0, 1)) && isnan(number(csv, 1, 0)) && number(csv, 1, 1) == 2);
    CHECK(mtl_csv_levels(csv, 0) == 1);
    mtl_csv_free(csv);
    csv = open_csv("a\n1\n\n2\n", NULL); /* one column: an empty line is a value */
    MUST(csv);
    CHECK(mtl_csv_rows(csv) == 3 && isnan(number(csv, 0, 1)));
    mtl_csv_free(csv);
}

static void sorts_levels(void)
{
    mtl_csv *csv = open_csv("n,t\n10,10\n9,9\n1e1,b\n-2,B\n10.0,a\n", NULL);
    MUST(csv);
    CHECK(mtl_csv_levels(csv, 0) == 3 && mtl_csv_levels(csv, 1) == 5);
    CHECK_TEXT(mtl_csv_level(csv, 0, 0), "-2");
    CHECK_TEXT(mtl_csv_level(csv, 0, 1), "9");
    CHECK_TEXT(mtl_csv_level(csv, 0, 2), "10");
    CHECK_TEXT(text(csv, 0, 4), "10");
    CHECK_TEXT(mtl_csv_level(csv, 1, 0), "10");
    CHECK_TEXT(mtl_csv_level(csv, 1, 2), "B");
    CHECK_TEXT(mtl_csv_level(csv, 1, 4), "b");
    mtl_csv_free(csv);
    csv = open_csv("n\n-0\n0\n0.0\n-0.00e5\n", NULL);
    MUST(csv);
    CHECK(mtl_csv_levels(csv, 0) == 1);
    mtl_csv_free(csv);
}

/* Texts that look like numbers and are none, and numbers at the ends of float32. */
static void tells_numbers_from_texts(void)
{
    static const char *const texts[] = {"nan", "inf", "1e",  "1e+", "e5", ".",     "-",    "0x10",  "1,5",
                                        "1_0", "1 2", "--1", "1d3", "1f", "1.2.3", "1e39", "1e5.5", "\xd9\xa1"};
    static const struct {
        const char *text;
        float value;
    } numbers[] = {
        {"3.4028235e38", 3.4028235e38f},
        {"-3.4028235e38", -3.4028235e38f},
        {"1e-45", 1e-45f},
        {"1e-400", 0},
        {"1e-99999999999999999999999", 0},
        {"0e99999999999999999999999", 0},
        {"0.1", 0.1f},
        {"16777217", 16777216},
        {"123456789012345678901234567890", 123456789012345678901234567890.0f},
        {"0.0000000000000000000000000000000000000000000000000000000000001e61", 1},
        {"10000000000000000000000000000000000000000000000000000000000000000000e-67", 1},
        {"1.17549435e-38", 1.17549435e-38f},
        {"2.71828182845904523536028747", 2.71828182845904523536f},
        {"000000000000000000000000000000007", 7},
        {"1E+2", 100},
    };
    char file[256];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        snprintf(file, sizeof file, "a,b\n\"%s\",1\n", texts[i]);
        mtl_csv *csv = open_csv(file, NULL);
        MUST(csv);
        if (!CHECK(!mtl_csv_numeric(csv, 0)))
            printf("    %s\n", texts[i]);
        mtl_csv_free(csv);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        snprintf(file, sizeof file, "a,b\n%s,1\n", numbers[i].text);
        mtl_csv *csv = open_csv(file, NULL);
        MUST(csv);
        CHECK_NEAR(number(csv, 0, 0), numbers[i].value, 0);
        mtl_csv_free(csv);
    }
}

/* Against strtod of the C locale, over many numbers as people write them. */
static void rounds_numbers_rightly(void)
{
    char file[64];
    int wrong = 0;
    for (uint64_t i = 0; i < 3000; i++) {
        uint32_t w[4];
        mtl_philox(5, 5, i, w);
        double value = ((double)w[0] - 2e9) * pow(10, (double)(w[1] % 46) - 45);
        snprintf(file, sizeof file, i % 2 ? "a\n%.*g\n" : "a\n%.*e\n", (int)(w[2] % 20), value);
        mtl_csv *csv = open_csv(file, NULL);
        MUST(csv);
        wrong += number(csv, 0, 0) != (float)strtod(file + 2, NULL);
        mtl_csv_free(csv);
    }
    CHECK(wrong == 0);
}

/* A column that turns out to be text late keeps all its fields. */
static void falls_back_to_text(void)
{
    enum { ROWS = 5000 };
    char *file = malloc(ROWS * 16), *at = file;
    at += sprintf(at, "id,kind\n");
    for (int i = 0; i < ROWS; i++)
        at += sprintf(at, i == ROWS - 2 ? "A%d,0\n" : "%d,1\n", i);
    mtl_csv *csv = open_csv(file, NULL);
    mtl_tensor *t = NULL;
    free(file);
    MUST(csv);
    CHECK(mtl_csv_rows(csv) == ROWS && !mtl_csv_numeric(csv, 0) && mtl_csv_levels(csv, 0) == ROWS);
    CHECK_TEXT(text(csv, 0, 4321), "4321");
    CHECK_TEXT(text(csv, 0, ROWS - 2), "A4998");
    CHECK_TEXT(text(csv, 0, ROWS - 1), "4999");
    CHECK(number(csv, 1, ROWS - 2) == 0 && number(csv, 1, ROWS - 1) == 1);
    CHECK(mtl_csv_numbers(csv, 0, &t) == MTL_ERR_FORMAT);
    CHECK_CONTAINS(mtl_message(ctx), "data.csv:5000: column 'id': 'A4998' is not a number");
    mtl_csv_free(csv);
}

static mtl_status read_csv(const char *path)
{
    mtl_csv *csv = NULL;
    mtl_status status = mtl_csv_read(ctx, path, &(mtl_csv_options){.missing = "?"}, &csv);
    CHECK((status == MTL_OK) == (csv != NULL));
    for (int i = 0; csv && i < mtl_csv_columns(csv); i++) {
        mtl_tensor *codes = NULL, *numbers = NULL;
        CHECK(mtl_csv_codes(csv, i, &codes) == MTL_OK);
        CHECK((mtl_csv_numbers(csv, i, &numbers) == MTL_OK) == mtl_csv_numeric(csv, i));
        for (int64_t k = 0; k < mtl_csv_levels(csv, i); k++)
            CHECK(mtl_csv_level(csv, i, k) != NULL);
        mtl_tensor_release(codes);
        mtl_tensor_release(numbers);
    }
    mtl_csv_free(csv);
    return status;
}

static void names_the_line(void)
{
    static const struct {
        const char *text, *message;
    } files[] = {
        {"", "data.csv: empty"},
        {"\n\n", "data.csv: empty"},
        {"a,b,c\n1,2,3\n1,2\n", "data.csv:3: 2 fields where the header has 3"},
        {"a,b\n\n\"1\n2\",3\n4\n", "data.csv:5: 1 field where the header has 2"},
        {"a,b\n1,2\n1,2,3\n", "data.csv:3: more than 2 fields, where the header has 2"},
        {"a;b\n1;2,5\n", "data.csv:2: several fields, where the header has one column; is the separator ';'?"},
        {"a\tb\n1,2\n", "is the separator '\\t'?"},
        {"a\n1,2\n", "data.csv:2: several fields, where the header has one column"},
        {"a,b,a\n1,2,3\n", "data.csv:1: two columns are named 'a'"},
        {"a,b\n1,\"2\n3,4\n", "data.csv:2: the quote that opens here is never closed"},
        {"a,b\n1,2\"\n", "data.csv:2: a quote within a field"},
        {"a,b\n1,\"2\"x\n", "data.csv:2: bytes behind a closing quote"},
        {"a,b\r1,2\r", "data.csv:1: a carriage return without a line feed"},
        {"a,b\n1,caf\xe9\n", "data.csv:2: column 'b' is not UTF-8 text; if it is Latin-1, this converts it: iconv -f"},
        {"caf\xe9,b\n", "data.csv:1: the header is not UTF-8"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        CHECK(read_csv(put_text("data.csv", files[i].text)) == MTL_ERR_FORMAT);
        CHECK_CONTAINS(mtl_message(ctx), files[i].message);
    }
    CHECK(read_csv(put("data.csv", "a,b\n1,\0\n", 8)) == MTL_ERR_FORMAT);
    CHECK_CONTAINS(mtl_message(ctx), "data.csv:2: a NUL byte");
    CHECK(read_csv(place("none.csv")) == MTL_ERR_IO);
    CHECK_CONTAINS(mtl_message(ctx), "cannot open");
    CHECK_CONTAINS(mtl_message(ctx), "none.csv: No such file or directory");
    CHECK(read_csv(test_folder) == MTL_ERR_IO);
    CHECK(read_csv(put_text("data.csv", "a,b\n")) == MTL_OK); /* no rows */
    mtl_csv *csv = NULL;
    CHECK(mtl_csv_read(ctx, place("data.csv"), &(mtl_csv_options){.separator = '"'}, &csv) == MTL_ERR_ARG);
    CHECK(mtl_csv_read(ctx, place("data.csv"), &(mtl_csv_options){.separator = '\n'}, &csv) == MTL_ERR_ARG && !csv);
    CHECK(mtl_csv_read(ctx, place("data.csv"), &(mtl_csv_options){.decimal = ';'}, &csv) == MTL_ERR_ARG && !csv);
}

static void takes_other_separators(void)
{
    mtl_csv *csv = NULL;
    MUST(mtl_csv_read(ctx, put_text("data.tsv", "a\tb,c\n1,5\t2\n"), &(mtl_csv_options){.separator = '\t'}, &csv) ==
         MTL_OK);
    CHECK_TEXT(mtl_csv_name(csv, 1), "b,c");
    CHECK(!mtl_csv_numeric(csv, 0) && number(csv, 1, 0) == 2);
    mtl_csv_free(csv);
}

static void takes_decimal_commas(void)
{
    mtl_csv *csv = NULL;
    const mtl_csv_options options = {.separator = ';', .decimal = ','};
    MUST(mtl_csv_read(ctx, put_text("data.csv", "a;b;c\n76,5;1.5;9\n-,25e1;;10\n76,50;x;9\n"), &options, &csv) ==
         MTL_OK);
    CHECK(mtl_csv_numeric(csv, 0) && !mtl_csv_numeric(csv, 1) && mtl_csv_numeric(csv, 2));
    CHECK(number(csv, 0, 0) == 76.5F && number(csv, 0, 1) == -2.5F && number(csv, 2, 1) == 10);
    CHECK(mtl_csv_levels(csv, 0) == 2);
    CHECK_TEXT(mtl_csv_level(csv, 0, 0), "-,25e1");
    mtl_csv_free(csv);
}

/* The header alone tells how many columns a separator makes, whatever the rows are. */
static void reads_names_only(void)
{
    mtl_csv *csv = NULL;
    const mtl_csv_options options = {.separator = ';', .names_only = true};
    MUST(mtl_csv_read(ctx, put_text("data.csv", "a;b;a\n1\n\"\n"), &options, &csv) == MTL_OK);
    CHECK(mtl_csv_columns(csv) == 3 && mtl_csv_rows(csv) == 0);
    CHECK_TEXT(mtl_csv_name(csv, 2), "a");
    mtl_csv_free(csv);
}

/* Fields across the ends of what is read at a time, packed and plain. */
static void reads_large_files(void)
{
    enum { ROWS = 30000 };
    char *file = malloc(ROWS * 40), *at = file;
    at += sprintf(at, "n,t,q\n");
    for (int i = 0; i < ROWS; i++)
        at += sprintf(at, "%d.25,level %d,\"a \"\"%d\"\"\"\r\n", i, i % 7, i % 3);
    for (int packed = 0; packed < 2; packed++) {
        gzFile gz = gzopen(place("large.csv"), packed ? "wb" : "wbT");
        mtl_csv *csv = NULL;
        CHECK(gzwrite(gz, file, (unsigned)(at - file)) == at - file && gzclose(gz) == Z_OK);
        MUST(mtl_csv_read(ctx, place("large.csv"), NULL, &csv) == MTL_OK);
        CHECK(mtl_csv_rows(csv) == ROWS && mtl_csv_levels(csv, 1) == 7 && mtl_csv_levels(csv, 2) == 3);
        mtl_tensor *numbers = NULL, *codes = NULL;
        CHECK(mtl_csv_numbers(csv, 0, &numbers) == MTL_OK && mtl_csv_codes(csv, 1, &codes) == MTL_OK);
        int wrong = 0;
        for (int i = 0; i < ROWS; i++)
            wrong += ((float *)mtl_tensor_data(numbers))[i] != (float)i + 0.25f ||
                     ((int32_t *)mtl_tensor_data(codes))[i] != i % 7;
        CHECK(wrong == 0);
        CHECK_TEXT(text(csv, 2, ROWS - 1), "a \"2\"");
        mtl_tensor_release(numbers);
        mtl_tensor_release(codes);
        mtl_csv_free(csv);
    }
    free(file);
}

static void knows_lines(void)
{
    static const int lines[] = {3, 4, 5, 7, 9, 10};
    mtl_csv *csv = open_csv("a,b\n\n1,2\n1,2\n\"x\ny\",2\n1,2\n\n1,2\n1,2\n\n", NULL);
    MUST(csv);
    CHECK(mtl_csv_rows(csv) == 6);
    for (int i = 0; i < 6; i++)
        CHECK(mtl_csv_line(csv, i) == lines[i]);
    mtl_csv_free(csv);
    csv = open_csv("a\n1\n\n3\n", NULL); /* the empty line is a row */
    MUST(csv);
    CHECK(mtl_csv_rows(csv) == 3 && mtl_csv_line(csv, 2) == 4);
    mtl_csv_free(csv);
}

static void gives_fields_as_written(void)
{
    static const char *const fields[] = {"1.0", "1", "01", "", " 1 ", "1234567890123456781", "1234567890123456782"};
    mtl_csv *csv = open_csv("a\n1.0\n1\n\"01\"\n\n 1 \n1234567890123456781\n1234567890123456782\n", NULL);
    const char *at = NULL;
    MUST(csv);
    CHECK(mtl_csv_numeric(csv, 0) && mtl_csv_rows(csv) == 7);
    CHECK(mtl_csv_texts(csv, 1, &at) == MTL_ERR_ARG && mtl_csv_texts(csv, -1, &at) == MTL_ERR_ARG);
    MUST(mtl_csv_texts(csv, 0, &at) == MTL_OK);
    for (int i = 0; i < 7; i++, at += strlen(at) + 1)
        CHECK_TEXT(at, fields[i]);
    mtl_csv_free(csv);
}

/* Texts of long columns of numbers are let go, and read again for codes. */
static void lets_texts_go(void)
{
    enum { ROWS = 300000, LATE = 290000 };
    char *file = malloc(ROWS * 32), *at = file;
    mtl_csv *csv = NULL;
    mtl_tensor *t = NULL;
    at += sprintf(at, "id,late,name\n");
    for (int i = 0; i < ROWS; i++)
        at += sprintf(at, i == LATE ? "%06d,none,n%d\n" : "%06d,%06d,n%d\n", i, i == LATE ? i % 3 : i, i % 3);
    const char *path = put("long.csv", file, (size_t)(at - file));
    MUST(mtl_csv_read(ctx, path, NULL, &csv) == MTL_OK);
    CHECK(mtl_csv_numeric(csv, 0) && !mtl_csv_numeric(csv, 1) && mtl_csv_rows(csv) == ROWS);
    CHECK(mtl_csv_numbers(csv, 1, &t) == MTL_ERR_FORMAT);
    CHECK_CONTAINS(mtl_message(ctx), "long.csv:290002: column 'late': 'none' is not a number");
    CHECK(mtl_csv_levels(csv, 0) == ROWS && mtl_csv_levels(csv, 1) == ROWS && mtl_csv_levels(csv, 2) == 3);
    CHECK_TEXT(mtl_csv_level(csv, 0, 7), "000007");
    CHECK_TEXT(mtl_csv_level(csv, 1, ROWS - 1), "none");
    CHECK(mtl_csv_line(csv, ROWS - 1) == ROWS + 1);
    mtl_csv_free(csv);
    MUST(mtl_csv_read(ctx, path, NULL, &csv) == MTL_OK);
    const char *texts = NULL;
    MUST(mtl_csv_texts(csv, 0, &texts) == MTL_OK);
    CHECK_TEXT(texts + 7 * 7, "000007");
    mtl_csv_free(csv);
    MUST(mtl_csv_read(ctx, path, NULL, &csv) == MTL_OK);
    put("long.csv", file, (size_t)(at - file) / 2);
    CHECK(mtl_csv_codes(csv, 0, &t) == MTL_ERR_FORMAT);
    CHECK_CONTAINS(mtl_message(ctx), "long.csv");
    CHECK(mtl_csv_levels(csv, 2) == 3);
    put_text("long.csv", "id\n1\n");
    CHECK(mtl_csv_codes(csv, 0, &t) == MTL_ERR_FORMAT && mtl_csv_texts(csv, 0, &texts) == MTL_ERR_FORMAT);
    CHECK_CONTAINS(mtl_message(ctx), "long.csv: it changed after it was read");
    CHECK(mtl_csv_numbers(csv, 0, &t) == MTL_OK);
    mtl_tensor_release(t);
    mtl_csv_free(csv);
    free(file);
}

static void ignores_the_locale(void)
{
    static const char *const locales[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"};
    for (size_t i = 0; i < 3 && !setlocale(LC_ALL, locales[i]);)
        i++;
    mtl_csv *csv = open_csv("a,b\n1.5,\"1,5\"\n1.23456789012345678901234567890e-30,2\n", NULL);
    MUST(csv);
    CHECK(number(csv, 0, 0) == 1.5f && !mtl_csv_numeric(csv, 1));
    CHECK_NEAR(number(csv, 0, 1), 1.2345679e-30f, 0);
    mtl_csv_free(csv);
    setlocale(LC_ALL, "C");
}

static void survives_damage(void)
{
    static const char file[] =
        "a,\"b\"\"c\",d\r\n1,x,\"q\r\n,\"\r\n-2.5e3,\xc3\xa9\xf0\x9f\x98\x80,?\r\n\r\n3,,\"\"\r\n";
    const unsigned char *bytes = (const unsigned char *)file;
    truncate_everywhere(read_csv, bytes, sizeof file - 1, sizeof file);
    flip_each(read_csv, bytes, sizeof file - 1);
    flip_bytes(read_csv, bytes, sizeof file - 1, 1000);
    gzFile gz = gzopen(place("packed"), "wb");
    CHECK(gzwrite(gz, file, sizeof file - 1) > 0 && gzclose(gz) == Z_OK);
    size_t n;
    unsigned char *packed = get(place("packed"), &n);
    truncate_everywhere(read_csv, packed, n, 2);
    flip_bytes(read_csv, packed, n, 500);
    free(packed);
}

int main(void)
{
    if (!test_begin())
        return 1;
    RUN(reads_numbers_and_texts);
    RUN(reads_quotes_and_line_ends);
    RUN(knows_missing_values);
    RUN(sorts_levels);
    RUN(tells_numbers_from_texts);
    RUN(rounds_numbers_rightly);
    RUN(falls_back_to_text);
    RUN(names_the_line);
    RUN(takes_other_separators);
    RUN(takes_decimal_commas);
    RUN(reads_names_only);
    RUN(reads_large_files);
    RUN(knows_lines);
    RUN(gives_fields_as_written);
    RUN(lets_texts_go);
    RUN(ignores_the_locale);
    RUN(survives_damage);
    return TEST_RESULT;
}
