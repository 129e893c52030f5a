Feature: A day in three offices

  Three offices on three continents, each with books and money of its own, one company.

  Scenario: From the morning in Osaka to the evening in Denver
    Given an office "Osaka" in "Asia/Tokyo" with "JPY" and 10 % tax, at home in "ap1"
    And an office "Cologne" in "Europe/Berlin" with "EUR" and 19 % tax, at home in "eu1"
    And an office "Denver" in "America/Denver" with "USD" and 8 % tax, at home in "us1"
    And an item "teapot" that sells for 4000 "JPY"
    And "teapot" sells for 25.00 "EUR" from now on
    And "teapot" sells for 29.99 "USD" from now on
    And 20 "teapot" at "Osaka" that cost 1500 each
    And 8 "teapot" at "Cologne" that cost 11.00 each
    And a customer "Tea house" of "Osaka"
    And a customer "Café" of "Cologne"
    And a customer "Diner" of "Denver"

    # Osaka opens first, and sells the most.
    When "Osaka" takes an order of 6 "teapot" for "Tea house"
    And the order is confirmed
    And 26400 are paid by "cash"
    And everything is shipped
    Then the order is "fulfilled", "paid", and comes to 26400

    # Cologne ships one part now, and one pot comes back with a crack.
    When "Cologne" takes an order of 5 "teapot" for "Café"
    And the order is confirmed
    And 3 "teapot" are shipped
    And 1 "teapot" comes back to "scrap" because "Cracked"
    And 100.00 are paid by "bank_transfer"
    Then the order is "confirmed", "partial", and comes to 148.75

    # Denver has nothing on its shelves, and learns who has.
    When "Denver" takes an order of 2 "teapot" for "Diner"
    And the order is confirmed
    Then it is refused as 409 "insufficient_stock"
    And the refusal says that 2 were wanted and 0 are there
    When the order is cancelled because "Sold elsewhere"
    Then the order is "cancelled", "unpaid", and comes to 64.78

    # In the evening each office sees its own day, in its own money.
    Then the day of "Osaka" shows 1 order, 6 units, 24000 net and 26400 paid in "JPY"
    And the day of "Cologne" shows 1 order, 5 units, 125.00 net and 100.00 paid in "EUR"
    And the books of "Osaka" show
      | account             | balance |
      | 1000 Bank           | 26400   |
      | 1300 Inventory      | 21000   |
      | 2050 Not invoiced   | -30000  |
      | 2100 Sales tax      | -2400   |
      | 4000 Revenue        | -24000  |
      | 5000 Cost of goods  | 9000    |
    And the books of "Cologne" show
      | account               | balance |
      | 1000 Bank             | 100.00  |
      | 1300 Inventory        | 55.00   |
      | 2050 Not invoiced     | -88.00  |
      | 2100 Sales tax        | -9.50   |
      | 2200 Deposits         | -40.50  |
      | 4000 Revenue          | -75.00  |
      | 4900 Returns          | 25.00   |
      | 5000 Cost of goods    | 22.00   |
      | 5900 Stock adjustment | 11.00   |
    And the books of "Denver" show
      | account | balance |
    And stock and books of "Osaka" agree
    And stock and books of "Cologne" agree
    And stock and books of "Denver" agree
