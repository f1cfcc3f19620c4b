PRAGMA journal_mode = off;
CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price REAL, kind INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
    INSERT INTO item SELECT i, 'item' || (i * 7919 % 10007), (i * 31 % 997) / 4.0, i % 13 FROM n;
CREATE INDEX by_name ON item (name);
SELECT kind, count(*), sum(price), max(name) FROM item GROUP BY kind ORDER BY 3 DESC;
SELECT count(*) FROM item a JOIN item b ON a.name = b.name AND a.id < b.id;
UPDATE item SET price = price * 2 WHERE name LIKE 'item1%';
DELETE FROM item WHERE kind = 5;
SELECT round(sum(price), 2), count(DISTINCT name) FROM item;
