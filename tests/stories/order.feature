Feature: An order, from its draft to the last refund

  Every step is sent to another region than the one before. Prices are net; amounts are in the money of the office.

  Background:
    Given an office "Lisbon" in "Europe/Lisbon" with "EUR" and 20 % tax, at home in "eu1"
    And an item "lamp" that sells for 100.00 "EUR"
    And 10 "lamp" at "Lisbon" that cost 60.00 each
    And a customer "Kunsthalle" of "Lisbon"

  Scenario: Paid ahead, shipped at once
    When "Lisbon" takes an order of 3 "lamp" for "Kunsthalle"
    Then the order is "draft", "unpaid", and comes to 360.00
    And 0 "lamp" are reserved at "Lisbon"
    When the order is confirmed
    Then the order is "confirmed", "unpaid", and comes to 360.00
    And 3 "lamp" are reserved at "Lisbon"
    When 360.00 are paid by "bank_transfer"
    Then the order is "confirmed", "paid", and comes to 360.00
    And the books of "Lisbon" show
      | account             | balance |
      | 1000 Bank           | 360.00  |
      | 1300 Inventory      | 600.00  |
      | 2050 Not invoiced   | -600.00 |
      | 2200 Deposits       | -360.00 |
    When everything is shipped
    Then the order is "fulfilled", "paid", and comes to 360.00
    And 7 "lamp" are at "Lisbon", worth 420.00
    And 0 "lamp" are reserved at "Lisbon"
    And the books of "Lisbon" show
      | account             | balance |
      | 1000 Bank           | 360.00  |
      | 1300 Inventory      | 420.00  |
      | 2050 Not invoiced   | -600.00 |
      | 2100 Sales tax      | -60.00  |
      | 4000 Revenue        | -300.00 |
      | 5000 Cost of goods  | 180.00  |
    And the timeline tells of "created, confirmed, reserved, payment, shipment, issue, entry, fulfilled"
    And stock and books of "Lisbon" agree

  Scenario: Shipped in parts, paid later in parts
    When "Lisbon" takes an order of 4 "lamp" for "Kunsthalle"
    And the order is confirmed
    And 1 "lamp" is shipped
    Then the order is "confirmed", "unpaid", and comes to 480.00
    And 3 "lamp" are reserved at "Lisbon"
    When 200.00 are paid by "card"
    Then the order is "confirmed", "partial", and comes to 480.00
    And the books of "Lisbon" show
      | account             | balance |
      | 1000 Bank           | 200.00  |
      | 1300 Inventory      | 540.00  |
      | 2050 Not invoiced   | -600.00 |
      | 2100 Sales tax      | -20.00  |
      | 2200 Deposits       | -80.00  |
      | 4000 Revenue        | -100.00 |
      | 5000 Cost of goods  | 60.00   |
    When everything is shipped
    And 280.00 are paid by "cash"
    Then the order is "fulfilled", "paid", and comes to 480.00
    And the books of "Lisbon" show
      | account             | balance |
      | 1000 Bank           | 480.00  |
      | 1300 Inventory      | 360.00  |
      | 2050 Not invoiced   | -600.00 |
      | 2100 Sales tax      | -80.00  |
      | 4000 Revenue        | -400.00 |
      | 5000 Cost of goods  | 240.00  |

  Scenario: Part of it is cancelled, the rest is shipped
    When "Lisbon" takes an order of 5 "lamp" for "Kunsthalle"
    And the order is confirmed
    And 3 "lamp" are shipped
    And 2 "lamp" are cancelled because "Too many"
    Then the order is "fulfilled", "unpaid", and comes to 600.00
    And 0 "lamp" are reserved at "Lisbon"
    When 360.00 are paid by "bank_transfer"
    Then the order is "fulfilled", "paid", and comes to 600.00

  Scenario: Cancelled before anything left, and the deposit goes back
    When "Lisbon" takes an order of 5 "lamp" for "Kunsthalle"
    And the order is confirmed
    And 100.00 are paid by "card"
    And the order is cancelled because "Changed our mind"
    Then the order is "cancelled", "paid", and comes to 600.00
    And 0 "lamp" are reserved at "Lisbon"
    When 100.00 are refunded by "card"
    Then the books of "Lisbon" show
      | account             | balance |
      | 1300 Inventory      | 600.00  |
      | 2050 Not invoiced   | -600.00 |

  Scenario: Two come back, one to the shelf and one to the bin
    When "Lisbon" takes an order of 3 "lamp" for "Kunsthalle"
    And the order is confirmed
    And everything is shipped
    And 360.00 are paid by "bank_transfer"
    And 1 "lamp" comes back to "restock" because "Wrong colour"
    Then 8 "lamp" are at "Lisbon", worth 480.00
    When 1 "lamp" comes back to "scrap" because "Broken"
    Then 8 "lamp" are at "Lisbon", worth 480.00
    When 240.00 are refunded by "bank_transfer"
    Then the order is "fulfilled", "paid", and comes to 360.00
    And the books of "Lisbon" show
      | account               | balance |
      | 1000 Bank             | 120.00  |
      | 1300 Inventory        | 480.00  |
      | 2050 Not invoiced     | -600.00 |
      | 2100 Sales tax        | -20.00  |
      | 4000 Revenue          | -300.00 |
      | 4900 Returns          | 200.00  |
      | 5000 Cost of goods    | 60.00   |
      | 5900 Stock adjustment | 60.00   |
    And 1 "lamp" net of returns were sold at "Lisbon" for 100.00, with a margin of 40.00
    And stock and books of "Lisbon" agree

  Scenario: A later price does not reach an order
    When "Lisbon" takes an order of 1 "lamp" for "Kunsthalle"
    And "lamp" sells for 250.00 "EUR" from now on
    And the order is confirmed
    And everything is shipped
    Then the order is "fulfilled", "unpaid", and comes to 120.00

  Scenario: Put aside while the customer decides
    When "Lisbon" holds 4 "lamp" for 600 seconds in an order for "Kunsthalle"
    Then the order is "draft", "unpaid", and comes to 480.00
    And 4 "lamp" are reserved at "Lisbon"
    When the order becomes one of 6 "lamp"
    Then the order is "draft", "unpaid", and comes to 720.00
    And 6 "lamp" are reserved at "Lisbon"
    When the order is cancelled because "They left"
    Then the order is "cancelled", "unpaid", and comes to 720.00
    And 0 "lamp" are reserved at "Lisbon"

  Scenario: The parts of a line add up to the line
    Given an item "screw" that sells for 0.33 "EUR"
    And 7 "screw" at "Lisbon" that cost 0.10 each
    When "Lisbon" takes an order of 7 "screw" for "Kunsthalle"
    And the order is confirmed
    And 1 "screw" is shipped
    And 2 "screw" are shipped
    And everything is shipped
    Then the order is "fulfilled", "unpaid", and comes to 2.77
    And the invoices of the order come to 2.77
    And 0 "screw" are at "Lisbon", worth 0.00
